"""What measuring costs: nanoseconds that a timed call gets, and seconds to a verdict at 5 ms.

    python -m benchmarks.evidence.overhead [--results FILE]

About six minutes of a machine that does nothing else. A line of JSON each, skipped when it is
there: what the harness adds to a call, in fresh processes; then one comparison per pair of networks
of about 5 ms, whose relation is known by construction.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.compare import compare
from benchmarks.environment import read_environment
from benchmarks.evidence.lines import Row, append_line, read_lines
from benchmarks.evidence.networks import Kind, Pair, feed, write_pair
from benchmarks.floor import write_identity
from benchmarks.pace import STANDARD, Pace
from benchmarks.quiet import exclusive_timing
from benchmarks.runners.onnx_runtime import OnnxRuntimeRunner
from benchmarks.stats import order_interval
from benchmarks.timing import no_garbage_collection, time_calls
from exporters.artifact import open_artifact
from exporters.session import open_session

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "overhead.jsonl"
MOST_ADDED_NS, MOST_VERDICT_S = 1000, 45.0
CALLS, ROUNDS, PROCESSES = 100, 300, 10
_AREA = 4  # 1 to 2 ms become about 5 ms


def pairs() -> tuple[Pair, ...]:
    """Of each family: a twin, and one layer more of 50. None is in the replay of the rates."""
    kinds: tuple[Kind, ...] = ("twin", "plus2")
    return tuple(Pair(kind=k, number=400 + n, area=_AREA) for k in kinds for n in range(4))


def added_ns(*, calls: int = CALLS, rounds: int = ROUNDS) -> float:
    """What a sample of a call holds beside the runtime's own time: the mean sample less the time
    per call of a bare loop over `run` of a session on the same file, in turns. The fastest round of
    each: what else runs makes a round longer, and never shorter."""
    with tempfile.TemporaryDirectory(prefix="distil-overhead-") as folder:
        like, _ = write_pair(Pair(kind="twin", number=0), Path(folder))
        path, feeds = Path(folder) / "identity.onnx", {"x": feed(Pair(kind="twin", number=0))}
        write_identity(open_artifact(like), path)
        run = open_session(path, threads=1).run
        with OnnxRuntimeRunner(path, threads=1) as runner, no_garbage_collection():
            call = runner.prepare(feeds)
            time_calls(call, warmup=calls, rounds=1)
            turns = [
                (
                    sum(time_calls(call, warmup=0, rounds=calls)) / calls,
                    _bare(run, feeds, calls),
                )
                for _ in range(rounds)
            ]
    return min(timed for timed, _ in turns) - min(bare for _, bare in turns)


def _bare(run: Callable[..., object], feeds: Row, calls: int) -> float:
    begun = time.perf_counter_ns()
    for _ in range(calls):
        run(None, feeds)
    return (time.perf_counter_ns() - begun) / calls


def record_added(processes: int = PROCESSES) -> Row:
    """One line: the answer of each fresh process."""
    command = [sys.executable, "-P", "-m", "benchmarks.evidence.overhead", "--added"]
    with exclusive_timing():
        found = [
            float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(processes)
        ]
    return {"added_ns": [round(value, 1) for value in found], "limit_ns": MOST_ADDED_NS}


def record_verdict(pair: Pair, *, pace: Pace = STANDARD, limit_s: float = 300.0) -> Row:
    """One line: seconds from the call of compare() to its answer."""
    seed = random.SystemRandom().randrange(2**31)
    with tempfile.TemporaryDirectory(prefix="distil-overhead-") as folder:
        first, second = write_pair(pair, Path(folder))
        with exclusive_timing():  # a wait for another measurement is no part of it
            with OnnxRuntimeRunner(first, threads=1) as runner:
                call = runner.prepare({"x": feed(pair)})
                call_ms = median(time_calls(call, warmup=5, rounds=25)) / 1e6
            begun = time.monotonic()
            found = compare(first, second, inputs=feed(pair), seed=seed, limit_s=limit_s, pace=pace)
            seconds = time.monotonic() - begun
    return {
        "call_ms": round(call_ms, 2),
        "seconds": round(seconds, 1),
        "limit_s": MOST_VERDICT_S,
        "verdict": found.verdict,
        "epochs": len(found.log_ratios),
        "seed": seed,
    }


def record_missing(
    path: Path, wanted: Sequence[tuple[str, Callable[[], Row]]], *, say: Callable[[str], None]
) -> list[Row]:
    """Run what the file has no line of; each is kept when it ends. All lines."""
    there_already = {line["unit"] for line in read_lines(path)}
    for unit, record in wanted:
        if unit in there_already:
            continue
        there = read_environment()
        about = {"cpu_model": there.cpu_model, "load": there.load_average}
        line = {"unit": unit, **about, **record()}
        append_line(path, line)
        say(json.dumps(line))
    return read_lines(path)


def summary(lines: Sequence[Row]) -> str:
    """Both numbers, with intervals, beside their limits."""
    added = [value for line in lines for value in line.get("added_ns", ())]
    seconds = sorted(line["seconds"] for line in lines if "seconds" in line)
    return (
        f"added to a timed call: {middle(added, 'ns')}, {max(added):.0f} ns at most in "
        f"{len(added)} processes (limit {MOST_ADDED_NS} ns)\n"
        f"time to a verdict at about 5 ms: {middle(seconds, 's')}, {seconds[-1]:.0f} s at most in "
        f"{len(seconds)} comparisons (limit {MOST_VERDICT_S:.0f} s)\n"
    )


def middle(values: Sequence[float], unit: str) -> str:
    """The median and what two order statistics say of it: 107 ns (-180 to 304 at 97.9 %)."""
    found = order_interval(values)
    told = "" if found is None else f" ({found[0]:.0f} to {found[1]:.0f} at {found[2]:.1%})"
    return f"{median(values):.0f} {unit}{told}"


def main() -> None:
    """Run what the results lack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the JSON lines")
    parser.add_argument("--added", action="store_true", help="one process's answer, for the parent")
    chosen = parser.parse_args()
    if chosen.added:
        sys.stdout.write(f"{added_ns()}\n")
        return
    wanted: list[tuple[str, Callable[[], Row]]] = [("added", record_added)]
    wanted += [(pair.name, partial(record_verdict, pair)) for pair in pairs()]
    sys.stdout.write(summary(record_missing(chosen.results, wanted, say=_say)))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
