"""How long `distil gate` takes to answer, from the start of its process to its end.

    python -m benchmarks.evidence.gate_start [--results FILE]

Half a minute of a machine that does nothing else: ten fresh processes judge the stored report of a
run with 30 and with 1,000 slices by a budget of each kind. A line of JSON each, skipped when it is
there.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.compare import comparison
from benchmarks.environment import read_environment
from benchmarks.evidence.lines import Row
from benchmarks.evidence.overhead import middle, record_missing
from benchmarks.quiet import exclusive_timing
from benchmarks.values import Measured, Setting
from compress.gate.evidence import empty_report
from compress.metrics.paired import pair
from compress.report.serialise import encode_report
from compress.values import Report, SizeStep, Slice

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results" / "gate-start.jsonl"
MOST_S = 0.5
STARTS, SLICES, EACH = 10, 1000, 100  # samples of a slice
GATE_COMMAND = ("-m", "compress", "gate")
LIBRARIES = ("-c", "import numpy, pydantic, typer, yaml")
GATE = """\
schema: 1
from: [run]
budgets:
  - {id: size, metric: file_bytes, max: 300KiB}
  - {id: accuracy, metric: accuracy, vs: teacher, max_drop: 1pp}
  - {id: regions, metric: accuracy, vs: teacher, per_slice: region, max_drop: 10pp}
  - {id: speed, metric: latency.p50, vs: teacher, min_speedup: 8x}
"""


def report(slices: int = SLICES) -> Report:
    """What a run leaves of a student that meets every budget: in each slice of 100 samples it loses
    one and gains one."""
    labels = np.zeros(slices * EACH, dtype=np.int64)
    teacher, student = labels.copy(), labels.copy()
    teacher[1::EACH] = student[::EACH] = 1
    ratios = [random.Random(0).gauss(-2.5, 0.02) for _ in range(12)]
    setting = Setting(device="cpu", threads=1, batch=1)
    return replace(
        empty_report("gate-start"),
        sizes=(SizeStep(stage="student float32", size_bytes=200_000, validation_accuracy=None),),
        pairs=(pair("teacher", "student", teacher, student, labels, ("a", "b")),),
        slices=tuple(_slice(number) for number in range(slices)),
        measured=Measured(
            environment=read_environment(),
            measurements=(),
            comparisons=(
                comparison("teacher", "student", setting=setting, log_ratios=ratios, seed=0),
            ),
            floor_ms=None,
            seed=0,
        ),
    )


def _slice(number: int) -> Slice:
    return Slice(
        kind="region",
        name=f"region {number}",
        samples=EACH,
        reference_right=EACH - 1,
        candidate_right=EACH - 1,
        lost=1,
        gained=1,
        lost_ids=(number * EACH,),
    )


def record_starts(starts: int = STARTS, slices: int = SLICES) -> Row:
    """One line: milliseconds of each process, after one more that fills the disk's cache, and in
    turns with them of a process that only imports the libraries that judging needs."""
    with tempfile.TemporaryDirectory(prefix="distil-gate-start-") as folder:
        run = Path(folder) / "run"
        run.mkdir()
        (run / "report.json").write_text(encode_report(report(slices)).report)
        (Path(folder) / "distil.gate.yaml").write_text(GATE)
        with exclusive_timing():
            found = [
                (_start(Path(folder), GATE_COMMAND), _start(Path(folder), LIBRARIES))
                for _ in range(starts + 1)
            ][1:]
    return {
        "slices": slices,
        "ms": [round(whole, 1) for whole, _ in found],
        "libraries_ms": [round(bare, 1) for _, bare in found],
        "limit_ms": MOST_S * 1000,
    }


def _start(folder: Path, arguments: Sequence[str]) -> float:
    """Milliseconds of one process. CalledProcessError unless every budget is met.

    Modules are read as bytecode, as those of an installed package are: from a folder of its own,
    since an environment may forbid writing it (PYTHONDONTWRITEBYTECODE).
    """
    command = [sys.executable, "-P", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    begun = time.perf_counter_ns()
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    return (time.perf_counter_ns() - begun) / 1e6


def summary(lines: Sequence[Row]) -> str:
    """Each line's median, with an interval, and its longest beside the limit."""
    return "".join(
        f"distil gate on {line['slices']:,} slices: {middle(line['ms'], 'ms')}, of which the "
        f"libraries alone take {middle(line['libraries_ms'], 'ms')}, "
        f"{max(line['ms']):.0f} ms at most in {len(line['ms'])} processes "
        f"(limit {line['limit_ms']:.0f} ms), {line['cpu_model']}\n"
        for line in lines
    )


def main() -> None:
    """Run what the results lack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the JSON lines")
    chosen = parser.parse_args()
    wanted = [(f"gate-{count}", partial(record_starts, slices=count)) for count in (30, SLICES)]
    sys.stdout.write(summary(record_missing(chosen.results, wanted, say=lambda line: None)))


if __name__ == "__main__":
    main()
