"""Where the processes of one epoch run: on the same CPUs, those that others use least.

Left to the scheduler, the two workers of an epoch often stay on different CPUs for all of it, and
CPUs of one machine differ: by what else runs there, and on a virtual one by what its host does. On
one CPU both meet the same. Measured on a 2-core virtual machine, two networks of 3 ms: the standard
deviation of an epoch's log ratio fell from 5.6 and 6.5 % to 1.4 and 2.3 % (docs/measuring.md).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

WINDOW_S = 0.05
_BUSY = 0.3  # of the window; the kernel counts in ticks of 10 ms
_IN_USE = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal: columns of proc_stat(5)


def quiet_cpus(
    threads: int, *, window_s: float = WINDOW_S, root: Path = Path("/")
) -> frozenset[int] | None:
    """As many allowed CPUs as threads, on different cores where that is possible.

    None: there is nothing to choose, or no way to. Takes window_s to see what others use. root: for
    tests.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    if threads >= len(allowed):
        return None
    try:
        before, begun = _ticks(root), time.monotonic()
        time.sleep(window_s)
        after, passed = _ticks(root), time.monotonic() - begun
    except (OSError, ValueError, IndexError):  # a container may show its own, shorter one
        return None
    per_s = os.sysconf("SC_CLK_TCK")
    use = {cpu: (after.get(cpu, 0) - before.get(cpu, 0)) / per_s / passed for cpu in allowed}
    return choose(threads, use, {cpu: _siblings(cpu, root) for cpu in allowed})


def choose(
    threads: int, use: Mapping[int, float], siblings: Mapping[int, frozenset[int]]
) -> frozenset[int]:
    """use: allowed CPU -> share in use, 0 to 1; siblings: CPU -> those that share its core.

    One after the other: not a busy one, on a core without one of ours, the least used core, and
    the last number, since the first one serves most interrupts.
    """
    chosen: set[int] = set()

    def cost(cpu: int) -> tuple[bool, int, float, int]:
        core = siblings[cpu] | {cpu}
        used = sum(use.get(other, 0.0) for other in core)
        return use[cpu] > _BUSY, len(core & chosen), round(used, 1), -cpu

    for _ in range(threads):
        chosen.add(min(use.keys() - chosen, key=cost))
    return frozenset(chosen)


def place(pid: int, cpus: frozenset[int] | None) -> None:
    """Keep a process that has one thread so far, and all that it starts, on these CPUs.

    Where that is refused, the process stays where it may be: its numbers are noisier, not wrong.
    """
    if cpus is None:
        return
    try:
        os.sched_setaffinity(pid, cpus)
    except OSError:
        return


def _ticks(root: Path) -> dict[int, int]:
    """CPU -> clock ticks in use since boot, those that the host of a virtual machine took too."""
    found = {}
    for line in (root / "proc/stat").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("cpu") and name != "cpu":
            values = rest.split()
            found[int(name[3:])] = sum(int(values[column]) for column in _IN_USE)
    return found


def _siblings(cpu: int, root: Path) -> frozenset[int]:
    path = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    try:
        text = path.read_text(encoding="ascii")
        found: set[int] = set()
        for part in text.split(","):
            first, _, last = part.strip().partition("-")
            found.update(range(int(first), int(last or first) + 1))
    except (OSError, ValueError):
        return frozenset({cpu})
    return frozenset(found)
