"""`distil bench --plot`: one self-contained page of pictures, without a script or a network."""

from __future__ import annotations

from html import escape
from pathlib import Path

from benchmarks.values import Cell, Measured
from compress import report
from compress.cli.bench_table import header
from compress.report import quantities as q
from compress.report.charts.sweep import Sweep, sweep
from exporters.atomic import write_text

_WIDTH = 760.0


def write_plot(measured: Measured, path: Path) -> None:
    """Latency and throughput against the batch size, and against threads where several are."""
    pictures = [
        ("Latency by batch", _by_batch(measured, "latency")),
        ("Throughput by batch", _by_batch(measured, "throughput")),
    ]
    if len({cell.setting.threads for m in measured.measurements for cell in m.cells}) > 1:
        pictures.append(("Throughput by threads", _by_threads(measured)))
    write_page(path, title="distil bench", note=header(measured), pictures=pictures)


def write_page(path: Path, *, title: str, note: str, pictures: list[tuple[str, str]]) -> None:
    """pictures: (heading, SVG). Raises DistilError where the file can't be written."""
    style = Path(report.__file__).with_name("page.css").read_text(encoding="utf-8")
    body = "".join(
        f"<section><h2>{escape(heading)}</h2><figure>{svg}</figure></section>"
        for heading, svg in pictures
    )
    write_text(
        path,
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>"
        f'<header class="top"><h1>{escape(title)}</h1><p class="meta">{escape(note)}</p></header>'
        f"{body}</main></body></html>\n",
    )


def _by_batch(measured: Measured, what: str) -> str:
    lines: list[Sweep] = []
    for index, found in enumerate(measured.measurements):
        groups: dict[tuple[str, int], list[Cell]] = {}
        for cell in found.cells:
            groups.setdefault((cell.setting.device, cell.setting.threads), []).append(cell)
        for place, ((device, threads), cells) in enumerate(groups.items()):
            suffix = f" ({device}, {_threads(threads)})" if len(groups) > 1 else ""
            ordered = sorted(cells, key=lambda cell: cell.setting.batch)
            lines.append(
                Sweep(
                    name=found.subject + suffix,
                    index=index,
                    points=tuple((c.setting.batch, _value(c, what)) for c in ordered),
                    dashed=place % 2 == 1,
                )
            )
    return sweep(
        tuple(lines),
        title=f"{what.capitalize()} against batch size",
        across="batch",
        words=q.milliseconds if what == "latency" else q.per_second,
        width=_WIDTH,
        key=what,
        at_values=True,
    )


def _by_threads(measured: Measured) -> str:
    lines: list[Sweep] = []
    for index, found in enumerate(measured.measurements):
        groups: dict[tuple[str, int], list[Cell]] = {}
        for cell in found.cells:
            groups.setdefault((cell.setting.device, cell.setting.batch), []).append(cell)
        for place, ((device, batch), cells) in enumerate(groups.items()):
            ordered = sorted(cells, key=lambda cell: cell.setting.threads)
            lines.append(
                Sweep(
                    name=f"{found.subject} ({device}, batch {batch})",
                    index=index,
                    points=tuple((c.setting.threads, _value(c, "throughput")) for c in ordered),
                    dashed=place % 2 == 1,
                )
            )
    return sweep(
        tuple(lines),
        title="Throughput against threads",
        across="threads",
        words=q.per_second,
        width=_WIDTH,
        key="threads",
        at_values=True,
    )


def _value(cell: Cell, what: str) -> float:
    return cell.latency.p50_ms if what == "latency" else cell.latency.throughput_per_s


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
