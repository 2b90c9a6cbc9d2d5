"""What a training step gains where freed memory stays in the process: fresh processes, in turn.

pytest -s benchmarks/suites/test_freed_memory.py
The plain loop of test_training_cost.py runs with the variables that a training's own process gets,
and without them. DISTIL_COST_RESULTS=FILE appends the ratio as a line of JSON.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.environment import machine_fingerprint
from benchmarks.evidence.lines import append_line
from benchmarks.stats import order_interval
from compress.distill.launch import KEEP_FREED

ROOT = Path(__file__).parents[2]
PAIRS = int(os.environ.get("DISTIL_COST_BLOCKS", "9"))
STEPS = int(os.environ.get("DISTIL_COST_STEPS", "60"))
BLOCK = """
import resource
import benchmarks.suites.test_training_cost as cost
cost.STEPS = %d
seconds = cost._plain_block()
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def _block(variables: dict[str, str]) -> tuple[float, int]:
    """Seconds of one step, and page faults of the process."""
    plain = {name: value for name, value in os.environ.items() if name not in KEEP_FREED}
    done = subprocess.run(
        [sys.executable, "-c", BLOCK % STEPS],
        env={**plain, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, faults = done.stdout.split()
    return float(seconds), int(faults)


def test_a_step_that_keeps_freed_memory_against_one_that_gives_it_back() -> None:
    ratios, faults = [], []
    for index in range(PAIRS):
        order = (True, False) if index % 2 else (False, True)
        found = {kept: _block(KEEP_FREED if kept else {}) for kept in order}
        ratios.append(found[True][0] / found[False][0])
        faults.append((found[True][1], found[False][1]))
    interval = order_interval(ratios)
    assert interval is not None, "DISTIL_COST_BLOCKS is below six: too few for an interval"
    low, high, held = interval
    ratio = statistics.median(ratios)
    fewer = [statistics.median(side) for side in zip(*faults, strict=True)]
    told = f"{ratio:.3f} ({100 * held:.1f} % interval {low:.3f} to {high:.3f})"
    print(f"\nfreed memory kept / given back: {told}")
    print(f"page faults of a process: {fewer[0]:,.0f} / {fewer[1]:,.0f}")
    if os.environ.get("DISTIL_COST_RESULTS"):
        line = {"ratio_of": "step with freed memory kept / given back", "ratio": ratio}
        line |= {"low": low, "high": high, "pairs": PAIRS, "steps": STEPS, "page_faults": fewer}
        row = {**line, "machine": dict(machine_fingerprint())}
        append_line(Path(os.environ["DISTIL_COST_RESULTS"]), row)
