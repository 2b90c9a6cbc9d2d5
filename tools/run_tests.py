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
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
SEPARATE = ("tests/end_to_end", "tests/faults")


@dataclass(frozen=True)
class Group:
    """Commands that run in order, up to the first that fails. variables: set for them."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    variables: tuple[tuple[str, str], ...] = ()


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
        tool("mypy"),
        tool("lint-imports", "--no-logo"),
    ),
)
GROUPS = (
    SET_UP,
    STATIC,
    Group(
        "unit",
        (pytest("tests", *(f"--ignore={folder}" for folder in SEPARATE), *side_by_side()),),
        # Each process has a core: a second thread in each would wait for the other's.
        variables=(("OMP_NUM_THREADS", "1"),),
    ),
    Group("end-to-end", (pytest("tests/end_to_end"),)),
    Group("faults", (pytest("tests/faults"),)),
)
LONG = (SET_UP, Group("long", (pytest("tests", "--timeout=3600", marks="slow"),)))


def environment(group: Group) -> dict[str, str]:
    """Ours, with bytecode kept: the tests start many children, and without it each of them compiles
    what it imports again (0.85 s instead of 0.39 s for the gate alone)."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **dict(group.variables)}


def run_group(group: Group) -> bool:
    """Whether every command of the group ended with 0. Output goes straight to the terminal."""
    print(f"== {group.name}", flush=True)
    for command in group.commands:
        shown = [
            os.path.relpath(part, ROOT) if part.startswith(str(ROOT)) else part for part in command
        ]
        print(f"-- {' '.join(shown)}", flush=True)
        status = subprocess.run(command, cwd=ROOT, env=environment(group), check=False).returncode
        if status != 0:
            print(f"-- failed with exit status {status}", flush=True)
            return False
    return True


def summary(results: list[tuple[str, float, bool]]) -> str:
    """One line per group and one for all."""
    lines = [
        f"{name:<12} {seconds:7.1f} s  {'passed' if good else 'FAILED'}"
        for name, seconds, good in results
    ]
    total = sum(seconds for _, seconds, _ in results)
    failed = [name for name, _, good in results if not good]
    end = f"failed: {', '.join(failed)}" if failed else "all groups passed"
    return "\n".join(["", *lines, f"{'all':<12} {total:7.1f} s  {end}"])


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
    results: list[tuple[str, float, bool]] = []
    for group in groups:
        started = time.monotonic()
        try:
            good = run_group(group)
        except KeyboardInterrupt:
            return 130
        results.append((group.name, time.monotonic() - started, good))
        if group is SET_UP and not good:  # nothing else can run
            break
    print(summary(results), flush=True)
    return 0 if all(good for _, _, good in results) else 1


if __name__ == "__main__":
    sys.exit(main())
