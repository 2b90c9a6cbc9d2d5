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
from dataclasses import asdict
from pathlib import Path
from statistics import median, stdev
from typing import Any

from benchmarks.environment import read_environment
from benchmarks.evidence.lines import append_line, read_lines
from benchmarks.evidence.networks import Pair, feed, write_pair
from benchmarks.order import block_order, epoch_value, slots
from benchmarks.pace import STANDARD
from benchmarks.placement import place
from benchmarks.process import WorkerProcess
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
    order = slots(2, rng)
    blocks: tuple[list[float], list[float]] = ([], [])
    workers = [WorkerProcess(source=subject.artifact.path) for subject in subjects]
    try:
        os.sched_setaffinity(0, last if placement == "all" else allowed)
        for index in order:
            subject, worker = subjects[index], workers[index].__enter__()
            place(worker.pid, None if placement == "scheduler" else last)
            worker.request(subject.load_request([1], device="cpu"))
            worker.request(subject.open_request(device="cpu", threads=1, batch=1))
        if placement == "workers":
            os.sched_setaffinity(0, allowed - last)
        for index in order:
            workers[index].ask("warm_up", batch=1, rule=asdict(STANDARD.warm_up))
        for turn in block_order(order, ROUNDS):
            for index in turn:
                found = workers[index].ask("time", batch=1, calls=CALLS)["samples_ns"]
                blocks[index].append(median(found))
    finally:
        os.sched_setaffinity(0, allowed)
        for worker in workers:
            worker.close()
    return {"placement": placement, "first": order[0], "a": blocks[0], "b": blocks[1]}


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
