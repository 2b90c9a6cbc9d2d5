"""Networks of the transformers package, each pruned to half its multiply-accumulates.

prune_table.py                    every network of prune_networks.py: pruned, exported, checked,
                                  timed before and after; a line each in docs/results/pruning.jsonl
prune_table.py --no-latency       all but the timing, which a later call adds
prune_table.py --page             docs/results/pruning.md from the lines
prune_table.py --small --results FILE --epochs 3 bert-base      a trial of one, reduced

A network is a unit of a few minutes, 20 at most; one whose line is there is skipped. Weights are
random and architectures have their default sizes, so nothing is said about accuracy: what is shown
is that the smaller network is a valid one, in torch and in onnxruntime, and what it gains. One that
can't be pruned is a red line with the error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from prune_networks import NETWORKS, build, inputs
from torch import Tensor, nn

from benchmarks import compare
from benchmarks.environment import read_environment
from compress import prune
from compress.prune.block import Block, measure_block
from exporters.atomic import write_text
from exporters.errors import DistilError, ExportError
from exporters.export import export
from exporters.parity import check_parity
from exporters.values import OnnxArtifact

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "pruning.jsonl"
SHARE = 0.5  # of the multiply-accumulates
TOLERANCE = 1e-3  # of the spread of the logits, and relative
SAMPLES = 4
SMALL_BLOCK = 4  # of reduced networks, whose widths are a few blocks
UNIT_S = 1200.0
MOST_RED = 3
NEVER_RED = ("resnet-50", "mobilenet-v2", "vit-base", "bert-base", "distilbert")


def row_of(
    name: str, blocks: Mapping[str, Block], *, small: bool, epochs: int, latency: bool
) -> dict[str, Any]:
    """One network, in every respect; the error where one of the steps fails."""
    begun = time.monotonic()
    work = "conv" if NETWORKS[name].kind == "images" else "gemm"
    environment = read_environment()
    row: dict[str, Any] = {
        "network": name,
        "small": small,
        "status": "green",
        "round_to": min(blocks[work].channels, SMALL_BLOCK) if small else blocks[work].channels,
        "block": blocks[work].reason,
        "cpu_model": environment.cpu_model,
        "allowed_cpus": environment.allowed_cpus,
        "versions": {**environment.versions, "torch": torch.__version__},
        "load": [round(os.getloadavg()[0], 2)],
    }
    try:
        row |= _pruned(name, row["round_to"], small=small, epochs=epochs, latency=latency)
    except DistilError as error:
        row |= {"status": "red", "error": str(error)}
    row["load"].append(round(os.getloadavg()[0], 2))
    return {**row, "seconds": round(time.monotonic() - begun, 1)}


def _pruned(name: str, block: int, *, small: bool, epochs: int, latency: bool) -> dict[str, Any]:
    module, names = build(name, small=small)
    example = inputs(name, rows=2, small=small)
    found = prune(module, example, macs=SHARE, round_to=block)
    facts: dict[str, Any] = {
        "macs": [found.macs_before, found.macs],
        "macs_left": round(found.macs / found.macs_before, 4),
        "parameters": [found.parameters_before, found.parameters],
        "notes": list(found.notes),
    }
    with tempfile.TemporaryDirectory(prefix="distil-prune-") as folder:
        files = {}
        for kind, network in (("whole", module), ("pruned", found.module)):
            path = Path(folder) / f"{kind}.onnx"
            artifact = export(network, example, path=path, input_names=names)
            facts[kind] = {"bytes": artifact.size_bytes, **_parity(name, network, artifact, small)}
            files[kind] = path
        if latency:
            samples = _feeds(names, inputs(name, rows=SAMPLES, small=small, seed=1))
            timed = compare(
                files["whole"],
                files["pruned"],
                inputs=samples if len(names) > 1 else samples[names[0]],
                seed=0,
                most_epochs=epochs,
                limit_s=UNIT_S / 3,
                resolve=True,
            )
            facts["latency"] = {
                "speedup": timed.speedup,
                "low": timed.speedup_low,
                "high": timed.speedup_high,
                "verdict": timed.verdict,
                "epochs": len(timed.log_ratios),
            }
    facts["status"] = "green" if facts["whole"]["passed"] and facts["pruned"]["passed"] else "red"
    return facts


def _parity(name: str, network: nn.Module, artifact: OnnxArtifact, small: bool) -> dict[str, Any]:
    names = tuple(spec.name for spec in artifact.inputs)
    rows = inputs(name, rows=SAMPLES, small=small, seed=1)

    def answer(given: NDArray[Any]) -> NDArray[Any]:
        with torch.no_grad():
            scores: NDArray[Any] = network(*_tensors(given, len(names))).numpy()
        return scores

    spread = float(answer(rows[0].numpy()).std())
    parity = check_parity(
        answer,
        artifact,
        inputs=rows[0].numpy(),
        collate=lambda given: _feeds(names, _tensors(given, len(names))),
        batches=(1, 2),
        atol=TOLERANCE * spread,
        rtol=TOLERANCE,
    )
    if not spread:
        raise ExportError("all answers are equal: parity would say nothing", where=name)
    difference = parity.max_abs_diff / spread
    return {"difference": difference, "spread": spread, "passed": parity.passed}


def _tensors(rows: NDArray[Any], count: int) -> tuple[Tensor, ...]:
    """Texts of full length have a mask of ones."""
    first = torch.from_numpy(np.ascontiguousarray(rows))
    return (first, torch.ones_like(first)) if count > 1 else (first,)


def _feeds(names: Sequence[str], tensors: Sequence[Tensor]) -> dict[str, NDArray[Any]]:
    return {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines that are there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table, and whether it is what was asked for."""
    lines = [
        "# Pruned to half the multiply-accumulates",
        "",
        "Made by `python tools/prune_table.py`, `--page`; random weights, default sizes, batch 1.",
        "",
        "| network | MACs left | parameters (M) | file (MB) | largest difference to torch, of the "
        "logits' spread | speed-up | load |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "macs" not in row:
            lines.append(f"| {row['network']} | red: {row['error']} | | | | | |")
            continue
        before, after = (count / 1e6 for count in row["parameters"])
        sizes = [row[kind]["bytes"] / 1e6 for kind in ("whole", "pruned")]
        timed = row.get("latency")
        gain = (
            "not timed"
            if timed is None
            else f"{timed['speedup']:.2f}x ({timed['low']:.2f} to {timed['high']:.2f})"
        )
        lines.append(
            f"| {row['network']} | {100 * row['macs_left']:.0f} % | {before:.1f} to {after:.1f} | "
            f"{sizes[0]:.0f} to {sizes[1]:.0f} | {row['pruned']['difference']:.1e} | {gain} | "
            f"{row['load'][0]} |"
        )
    red = [row["network"] for row in rows if row["status"] != "green"]
    lines += ["", f"{len(rows)} networks, {len(red)} red{': ' if red else ''}{', '.join(red)}."]
    lines += [f"CPU: {cpu}." for cpu in sorted({row["cpu_model"] for row in rows})]
    return "\n".join(lines) + "\n"


def acceptable(rows: Sequence[Mapping[str, Any]]) -> bool:
    """At most 3 of 12 red, and none of those that everybody uses."""
    red = [row["network"] for row in rows if row["status"] != "green"]
    return len(rows) >= 12 and len(red) <= MOST_RED and not set(red) & set(NEVER_RED)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="default: all")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--small", action="store_true", help="reduced sizes: a trial")
    parser.add_argument("--epochs", type=int, default=24, help="pairs of fresh processes at most")
    parser.add_argument("--no-latency", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the table, compute nothing")
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.networks) - set(NETWORKS))
    if unknown:
        parser.error(f"no network {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    rows = read_rows(chosen.results)
    if chosen.page:
        write_text(chosen.results.with_suffix(".md"), page(rows))
        return 0 if acceptable(rows) else 1
    done = {row["network"] for row in rows if chosen.no_latency or "latency" in row}
    todo = [name for name in chosen.networks or NETWORKS if name not in done]
    if not todo:
        return 0
    blocks = {"conv": measure_block("conv"), "gemm": measure_block("gemm")}
    for name in todo:
        row = row_of(
            name,
            blocks,
            small=chosen.small,
            epochs=chosen.epochs,
            latency=not chosen.no_latency,
        )
        rows = [other for other in rows if other["network"] != name] + [row]
        chosen.results.parent.mkdir(parents=True, exist_ok=True)
        write_text(chosen.results, "".join(json.dumps(line) + "\n" for line in rows))
        said = row.get("error") or f"{100 * row['macs_left']:.1f} % of the MACs left"
        print(f"{name}: {row['status']}, {said}, {row['seconds']} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
