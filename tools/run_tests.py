"""Run the groups of checks in order and print the time of each. Standard library only.

run_tests.py            everything that `make test` promises
run_tests.py static     one group or several, by name
run_tests.py --long     the tests marked `slow` instead
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

Result = tuple[str, float, bool]  # name, seconds, whether it passed

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
SEPARATE = ("tests/end_to_end", "tests/faults")  # whole runs


# Each of two processes has a core: a second thread in each would wait for the other's.
ONE_THREAD = (("OMP_NUM_THREADS", "1"),)


@dataclass(frozen=True)
class Group:
    """Commands that run in order, up to the first that fails. variables: set for them.

    beside: starts with the group before it, where there are two CPUs.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    variables: tuple[tuple[str, str], ...] = ()
    beside: bool = False


def pytest(*arguments: str, marks: str = "not slow") -> tuple[str, ...]:
    return (str(BIN / "python"), "-m", "pytest", "-q", "--durations=5", "-m", marks, *arguments)


def side_by_side() -> tuple[str, ...]:
    """A test process per allowed CPU, each with whole files; four at most, torch is in each.

    For tests that hold no whole run: those time and train, and wait for one another as it is.
    """
    count = min(4, len(os.sched_getaffinity(0)))
    return ("-n", str(count), "--dist", "loadfile") if count > 1 else ()


def tool(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(BIN / name), *arguments)


SET_UP = Group(
    "set-up",
    (
        (sys.executable, str(ROOT / "tools" / "setup_env.py")),
        (str(BIN / "python"), str(ROOT / "tools" / "get_data.py")),
    ),
)
STATIC = Group(
    "static",
    (
        tool("ruff", "format", "--no-cache", "--check", "--quiet", "."),
        tool("ruff", "check", "--no-cache", "--quiet", "."),
        tool("mypy", "--num-workers", "auto"),
        tool("lint-imports", "--no-logo"),
    ),
)
GROUPS = (
    SET_UP,
    STATIC,
    Group(
        "unit",
        (pytest("tests", *(f"--ignore={folder}" for folder in SEPARATE), *side_by_side()),),
        variables=ONE_THREAD,
    ),
    Group("end-to-end", (pytest("tests/end_to_end"),), variables=ONE_THREAD),
    Group("faults", (pytest("tests/faults"),), variables=ONE_THREAD, beside=True),
)
LONG = (SET_UP, Group("long", (pytest("tests", "--timeout=3600", marks="slow"),)))


def environment(group: Group) -> dict[str, str]:
    """Ours, with bytecode kept: the tests start many children, and without it each of them compiles
    what it imports again (0.85 s instead of 0.39 s for the gate alone)."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **dict(group.variables)}


def run_group(group: Group, output: IO[bytes] | None = None) -> bool:
    """Whether every command of the group ended with 0. output: None goes to the terminal."""

    def say(text: str) -> None:
        print(text, flush=True) if output is None else output.write(f"{text}\n".encode())

    say(f"== {group.name}")
    for command in group.commands:
        words = [
            os.path.relpath(part, ROOT) if part.startswith(str(ROOT)) else part for part in command
        ]
        say(f"-- {' '.join(words)}")
        if output is not None:
            output.flush()
        status = subprocess.run(
            command, cwd=ROOT, env=environment(group), stdout=output, stderr=output, check=False
        ).returncode
        if status != 0:
            say(f"-- failed with exit status {status}")
            return False
    return True


def run_step(step: Sequence[Group]) -> list[Result]:
    """Groups that start together: the first prints as it goes, the others when it has ended."""

    def timed(group: Group, output: IO[bytes] | None = None) -> Result:
        started = time.monotonic()
        good = run_group(group, output)
        return group.name, time.monotonic() - started, good

    first, *others = step
    if not others:
        return [timed(first)]
    with ThreadPoolExecutor(len(others)) as threads, ExitStack() as stack:
        kept = [stack.enter_context(tempfile.TemporaryFile()) for _ in others]
        rest = [threads.submit(timed, *one) for one in zip(others, kept, strict=True)]
        results = [timed(first)]
        for future, output in zip(rest, kept, strict=True):
            results.append(future.result())
            output.seek(0)
            print(output.read().decode(errors="replace"), end="", flush=True)
    return results


def steps(groups: Sequence[Group]) -> list[list[Group]]:
    """What starts together."""
    found: list[list[Group]] = []
    for group in groups:
        if found and group.beside and len(os.sched_getaffinity(0)) > 1:
            found[-1].append(group)
        else:
            found.append([group])
    return found


def summary(results: Sequence[Result], seconds: float) -> str:
    """One line per group and one for all; seconds: from the first one's start to the last's end."""
    lines = [
        f"{name:<12} {took:7.1f} s  {'passed' if good else 'FAILED'}"
        for name, took, good in results
    ]
    failed = [name for name, _, good in results if not good]
    end = f"failed: {', '.join(failed)}" if failed else "all groups passed"
    return "\n".join(["", *lines, f"{'all':<12} {seconds:7.1f} s  {end}"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the project's checks, group by group.")
    parser.add_argument(
        "groups",
        nargs="*",
        metavar="GROUP",
        help=f"of {', '.join(group.name for group in GROUPS)}; default all",
    )
    parser.add_argument("--long", action="store_true", help="the tests marked slow instead")
    chosen = parser.parse_args()
    unknown = set(chosen.groups) - {group.name for group in GROUPS}
    if unknown:
        parser.error(f"no group {', '.join(sorted(unknown))}")
    groups = (
        LONG
        if chosen.long
        else tuple(group for group in GROUPS if not chosen.groups or group.name in chosen.groups)
    )
    results: list[Result] = []
    started = time.monotonic()
    for step in steps(groups):
        try:
            results += run_step(step)
        except KeyboardInterrupt:
            return 130
        if step[0] is SET_UP and not results[-1][2]:  # nothing else can run
            break
    print(summary(results, time.monotonic() - started), flush=True)
    return 0 if all(good for _, _, good in results) else 1


if __name__ == "__main__":
    sys.exit(main())
