"""The lines as a table for a reader."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.suites.peers.sides import FLOAT, OURS, PEERS
from benchmarks.suites.peers.verdict import Row, geometric_mean, judged, shortcomings, speedups

_HEAD = """# Beside onnxruntime's quantizer and NNCF

Made by `python -m benchmarks.suites.peers` and `--page`. Batch 1, one thread, all files of a
network in one interleaved run of fresh processes; times are ours over theirs with 95 % intervals,
so below 1 ours is faster. A row holds where the upper bound is at most 1.02 against float and
against every peer that is not itself more than 0.3 pp below ours, and where ours is at most 0.3 pp
below the best peer. That is accuracy on 10,000 test images for `trained` and `shipped` weights. The
`listed` networks have default sizes and random weights, so no accuracy: the cosine of their logits
to those of the float file stands for it there.
"""
_COLUMNS = (
    "network",
    "ours",
    "speed-up over float",
    "time over onnxruntime static",
    "over onnxruntime dynamic",
    "over NNCF",
    "accuracy (listed: cosine), %: ours, float, best peer",
    "ours less best peer, pp",
    "our logit cosine",
    "holds",
)


def page(rows: Sequence[Row], *, wanted: int) -> str:
    """Markdown; wanted: how many networks there are."""
    lines = [_line(row) for row in rows]
    counted = [row for row in rows if "error" not in row]
    short = shortcomings(rows, wanted=wanted)
    held = sum(judged(row).holds for row in rows)
    tail = [
        "",
        f"{held} of {len(rows)} rows hold. Over float in the geometric mean: listed "
        f"{geometric_mean(speedups(rows, 'listed')):.2f}x, trained "
        f"{geometric_mean(speedups(rows, 'trained')):.2f}x.",
        "Short of what was asked for: " + "; ".join(short) + "." if short else "All that was due.",
        *_openvino(counted),
        *[f"CPU: {cpu}." for cpu in sorted({str(row["cpu_model"]) for row in rows})],
        *sorted({_versions(row) for row in counted}),
    ]
    head = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    return "\n".join([_HEAD, *head, *lines, *tail]) + "\n"


def _line(row: Row) -> str:
    verdict = judged(row)
    said = "yes" if verdict.holds else "no: " + "; ".join(verdict.missed)
    name = f"{row['network']} ({row['kind']})"
    if "error" in row:
        return f"| {name} |{' |' * (len(_COLUMNS) - 2)} {_plain(said)} |"
    sides, speed = row["sides"], row["speed"]
    peers = [side for side in PEERS if side in sides]
    best = max((sides[side]["value"] for side in peers), default=None)
    gap = verdict.gap
    float_s = speed[FLOAT]
    cells = [
        name,
        "float is kept" if row["ours"]["ships_float"] else str(row["ours"]["chosen"]),
        f"{1 / float_s['ratio']:.2f}x ({1 / float_s['high']:.2f} to {1 / float_s['low']:.2f})",
        *(_ratio(row, side) for side in PEERS),
        f"{100 * sides[OURS]['value']:.2f}, {100 * sides[FLOAT]['value']:.2f}, "
        + ("none" if best is None else f"{100 * best:.2f}"),
        "" if gap is None else f"{100 * gap[0]:+.2f} ({100 * gap[1]:+.2f} to {100 * gap[2]:+.2f})",
        f"{sides[OURS]['cosine']:.4f}",
        said,
    ]
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _ratio(row: Row, side: str) -> str:
    if side not in row["speed"]:
        return f"no file: {row['failed'].get(side, '?')}"
    found = row["speed"][side]
    value = 100 * row["sides"][side]["value"]
    interval = f"{found['low']:.2f} to {found['high']:.2f}"
    return f"{found['ratio']:.2f} ({interval}), at {value:.2f}"


def _openvino(rows: Sequence[Row]) -> list[str]:
    """Float in float32 on both runtimes, and NNCF's file: ratios of medians in one process."""
    lines = []
    for row in rows:
        found = row["openvino"]
        parts = [
            f"{side} {times['onnxruntime'] / times['openvino']:.2f}x"
            for side, times in found.items()
            if isinstance(times, dict) and "openvino" in times
        ]
        if parts:
            lines.append(f"| {row['network']} | {', '.join(parts)} |")
    if not lines:
        return []
    head = [
        "",
        "OpenVINO beside onnxruntime on the same file, for information: one process, no verdict.",
    ]
    return [*head, "", "| network | speed of OpenVINO over onnxruntime |", "|---|---|", *lines, ""]


def _versions(row: Row) -> str:
    return "Versions: " + ", ".join(f"{k} {v}" for k, v in sorted(row["versions"].items())) + "."


def _plain(cell: str) -> str:
    return cell.replace("|", "/").replace("\n", " ")
