"""python -m benchmarks.evidence.placement: how an epoch's value varies with where its workers run.

Each pair of twins, each placement in turn, 24 epochs of each: five minutes of a machine with two
CPUs that does nothing else. A pair is a line of docs/results/placement.jsonl, skipped when present.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median, stdev
from typing import Any

from benchmarks.environment import read_environment
from benchmarks.epochs import run_epoch
from benchmarks.evidence.lines import append_line, read_lines
from benchmarks.evidence.networks import Pair, feed, write_pair
from benchmarks.order import epoch_value
from benchmarks.pace import STANDARD
from benchmarks.quiet import exclusive_timing
from benchmarks.staging import Subject, open_subjects, staged

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "placement.jsonl"
PLACEMENTS = ("scheduler", "workers", "all")  # what is kept on one CPU
PAIRS = (0, 2)  # of the twins: convolutions, separable ones
CALLS, ROUNDS = 7, 20


def one_epoch(subjects: Sequence[Subject], placement: str, rng: random.Random) -> dict[str, Any]:
    """Block medians in ns, one list per model."""
    allowed = os.sched_getaffinity(0)
    last = frozenset({max(allowed)})
    ours = {"scheduler": allowed, "workers": allowed - last, "all": last}[placement]
    try:
        os.sched_setaffinity(0, ours)
        epoch = run_epoch(
            subjects,
            device="cpu",
            threads=1,
            calls={(0, 1): CALLS, (1, 1): CALLS},
            rounds={1: ROUNDS},
            rng=rng,
            pace=STANDARD,
            choose_cpus=lambda _: None if placement == "scheduler" else last,
        )
    finally:
        os.sched_setaffinity(0, allowed)
    first, second = ([median(block) for block in epoch.blocks[index, 1]] for index in (0, 1))
    return {"placement": placement, "first": epoch.order[0], "a": first, "b": second}


def record(number: int, *, epochs: int) -> dict[str, Any]:
    """One line: a twin, its placements in turn."""
    pair, there = Pair(kind="twin", number=number), read_environment()
    rng = random.Random(random.SystemRandom().randrange(2**31))
    with tempfile.TemporaryDirectory(prefix="distil-evidence-") as folder, exclusive_timing():
        files = write_pair(pair, Path(folder))
        named = open_subjects({"reference": files[0], "candidate": files[1]})
        with staged(named, inputs=feed(pair), batches=[1]) as subjects:
            found = [one_epoch(subjects, p, rng) for _ in range(epochs) for p in PLACEMENTS]
    return {
        "unit": pair.name,
        "cpu_model": there.cpu_model,
        "allowed_cpus": there.allowed_cpus,
        "versions": there.versions,
        "epochs": found,
    }


def deviation(epochs: Sequence[dict[str, Any]], placement: str, rounds: int) -> float:
    """Standard deviation of the log ratios, from the first so many rounds."""
    kept = [epoch for epoch in epochs if epoch["placement"] == placement]
    logs = [[[math.log(ns) for ns in epoch[side][:rounds]] for side in "ab"] for epoch in kept]
    return stdev(epoch_value(first, second) for first, second in logs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the JSON lines")
    parser.add_argument("--epochs", type=int, default=24, help="of each placement")
    chosen = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("one CPU is allowed: there is nothing to place")
    if chosen.epochs < 2:
        parser.error("--epochs is 2 at least: one epoch has no deviation")
    there = {line["unit"] for line in read_lines(chosen.results)}
    for number in PAIRS:
        if Pair(kind="twin", number=number).name not in there:
            append_line(chosen.results, record(number, epochs=chosen.epochs))
    for line in read_lines(chosen.results):
        for placement in PLACEMENTS:
            few, many = (deviation(line["epochs"], placement, n) for n in (ROUNDS // 2, ROUNDS))
            name = f"{line['unit']} {placement:9}"
            sys.stdout.write(f"{name} {few:.2%} of 10 rounds, {many:.2%} of 20\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
