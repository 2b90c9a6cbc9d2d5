"""Quantizers of onnxruntime and NNCF beside `distil quantize`, on networks with real accuracy.

    pip install --target .peers --no-deps -r requirements-peers.lock
    python -m benchmarks.suites.peers                 every network that has no line yet
    python -m benchmarks.suites.peers --list          how long each takes, and what is left
    python -m benchmarks.suites.peers vit-base swin-small --again
    python -m benchmarks.suites.peers --page          docs/results/peers.md from the lines
    python -m benchmarks.suites.peers --tiny --results FILE separable     a trial of every step

NNCF and OpenVINO stand in a folder of their own and run in processes of their own: what they bring
along is no part of the project's environment, whose lock stays as it is. A network is a unit of 20
minutes at most; its line in docs/results/peers.jsonl is written when all is known of it, and one
whose line is there is skipped. A network that fails has a line that says why, made anew with
--again. The machine must be idle. What counts as good: verdict.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.evidence.lines import read_lines
from benchmarks.pace import QUICK
from benchmarks.suites.peers.networks import NETWORKS, ROOT
from benchmarks.suites.peers.page import page
from benchmarks.suites.peers.row import Options, row_of
from benchmarks.suites.peers.verdict import judged, shortcomings
from exporters.atomic import write_text

RESULTS = ROOT / "docs" / "results" / "peers.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done, and with --page all that was due is there; 1: it is not; 2: usage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="default: all")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--packages", type=Path, default=ROOT / ".peers", help="NNCF and OpenVINO")
    parser.add_argument("--data", type=Path, help="a folder with Fashion-MNIST")
    parser.add_argument("--again", action="store_true", help="also where there is a line")
    parser.add_argument("--tiny", action="store_true", help="try every step, elsewhere")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the table, compute nothing")
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.networks) - set(NETWORKS)):
        parser.error(f"no network {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    if chosen.tiny and chosen.results.absolute() == RESULTS:
        parser.error("--tiny makes numbers that say nothing: give --results FILE")
    rows = read_lines(chosen.results)
    if chosen.page:
        write_text(chosen.results.with_suffix(".md"), page(rows, wanted=len(NETWORKS)))
        return 1 if shortcomings(rows, wanted=len(NETWORKS)) else 0
    done = set() if chosen.again else {row["network"] for row in rows}
    todo = [name for name in chosen.networks or NETWORKS if name not in done]
    minutes = {name: NETWORKS[name].minutes for name in todo}
    if chosen.list:
        for name, wanted in minutes.items():
            print(f"{name}: about {wanted} min")
    print(f"{len(todo)} networks to do, about {sum(minutes.values())} min in all", flush=True)
    if chosen.list or not todo:
        return 0
    if not (chosen.packages / "nncf").is_dir():
        parser.error(
            f"no NNCF in {chosen.packages}: pip install --target {chosen.packages} --no-deps "
            "-r requirements-peers.lock"
        )
    options = _options(chosen)
    for number, name in enumerate(todo):
        left = sum(list(minutes.values())[number:])
        print(f"{name}: about {minutes[name]} min, {left} min to the end", flush=True)
        row = row_of(name, NETWORKS[name], options)
        rows = [other for other in read_lines(chosen.results) if other["network"] != name] + [row]
        chosen.results.parent.mkdir(parents=True, exist_ok=True)
        write_text(chosen.results, "".join(json.dumps(line) + "\n" for line in rows))
        missed = "; ".join(judged(row).missed)
        print(f"{name}: {missed or 'holds'}, {row['seconds'] / 60:.1f} min", flush=True)
    return 0


def _options(chosen: argparse.Namespace) -> Options:
    packages = chosen.packages.absolute()
    if chosen.tiny:
        return Options(
            packages=packages, data=chosen.data, epochs=2, most_epochs=2, tiny=True, pace=QUICK
        )
    return Options(packages=packages, data=chosen.data)


if __name__ == "__main__":
    sys.exit(main())
