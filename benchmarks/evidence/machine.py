"""What else ran while something was timed, and a process that keeps a core busy on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from exporters.errors import InputError

Condition = Literal["idle", "busy"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)

# An epoch is marked by these alone, before anything of its result is looked at.
MOST_OTHERS = 0.10  # CPUs that processes of others used
MOST_STEAL = 0.02  # CPUs that the host of a virtual machine took

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# It ends by itself with whoever started it.
_SPIN = (
    "import os, sys\n"
    "os.sched_setaffinity(0, {int(sys.argv[1])})\n"
    "parent = os.getppid()\n"
    "while os.getppid() == parent:\n"
    "    for _ in range(200_000):\n"
    "        pass\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Beside one epoch. others, steal: CPUs in use on average, 1.0 is a whole one."""

    seconds: float
    load: float
    others: float
    steal: float

    @property
    def is_marked(self) -> bool:
        """Whether a machine that should have been idle was not."""
        return self.others > MOST_OTHERS or self.steal > MOST_STEAL


@dataclass(frozen=True, slots=True)
class _Reading:
    wall_s: float
    busy_s: float
    steal_s: float
    own_s: float


class Meter:
    """begin() before, end() after; children that were timed must have been waited for by then."""

    def __init__(self, *, root: Path = Path("/"), ours: tuple[int, ...] = ()) -> None:
        self._root, self.ours = root, ours
        self._begun = self._read()

    def begin(self) -> None:
        self._begun = self._read()

    def end(self) -> Surroundings:
        now, begun = self._read(), self._begun
        wall = max(now.wall_s - begun.wall_s, 1e-9)
        others = (now.busy_s - begun.busy_s) - (now.own_s - begun.own_s)
        return Surroundings(
            seconds=wall,
            load=os.getloadavg()[0],
            others=max(0.0, others / wall),
            steal=max(0.0, (now.steal_s - begun.steal_s) / wall),
        )

    def _read(self) -> _Reading:
        text = (self._root / "proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
        user, nice, system, _, _, irq, softirq, steal = map(int, text.split()[1:9])
        own = sum(os.times()[:4])  # with the children that have ended
        for pid in self.ours:
            fields = (self._root / f"proc/{pid}/stat").read_text().rpartition(")")[2].split()
            own += (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        return _Reading(
            time.monotonic(),
            (user + nice + system + irq + softirq) / _TICKS_PER_S,
            steal / _TICKS_PER_S,
            own,
        )


@contextmanager
def surroundings(condition: Condition, *, cpus: frozenset[int] | None = None) -> Iterator[Meter]:
    """A meter; for "busy" beside a process that spins, pinned to the last allowed CPU.

    cpus: the allowed ones, for tests. InputError where there is one alone: then the busy process
    would not be on another core.
    """
    if condition == "idle":
        yield Meter()
        return
    allowed = cpus if cpus is not None else frozenset(os.sched_getaffinity(0))
    if len(allowed) < 2:
        what = f"a busy neighbour needs 2 allowed CPUs, and {len(allowed)} is"
        raise InputError(what, cure="run it without taskset, on a machine with two")
    command = [sys.executable, "-P", "-c", _SPIN, str(max(allowed))]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as spinner:
        try:
            time.sleep(0.2)  # it imports nothing, and is at work by then
            yield Meter(ours=(spinner.pid,))
        finally:
            spinner.kill()
