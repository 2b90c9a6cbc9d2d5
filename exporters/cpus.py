"""How many CPUs this process may use: affinity and cgroup quota, not what the host has."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from exporters.errors import InputError

_GROUPS = Path("/sys/fs/cgroup")


def allowed_cpus(*, groups: Path = _GROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """At least 1. A quota of 1.5 CPUs counts as 1: a second thread would be throttled."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota(groups, membership)
    return max(1, min(count or 1, int(quota) if quota is not None else count or 1))


def check_threads(threads: int) -> None:
    """InputError when threads is below 1 or above what this process may use."""
    allowed = allowed_cpus()
    if threads < 1:
        raise InputError(f"{threads} threads", cure="at least 1")
    if threads > allowed:
        what = f"{threads} threads on {allowed} allowed CPU{'s' if allowed > 1 else ''}"
        raise InputError(what, cure=f"ask for at most {allowed}, or widen the affinity or quota")


def _quota(groups: Path, membership: Path) -> float | None:
    """The tightest CPU quota of this process's control group and those above it, in CPUs.

    cgroup v2: `cpu.max` holds "quota period" in microseconds, or "max period"; v1 has two files.
    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    """
    own = ""
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            if line.startswith("0::"):
                own = line.removeprefix("0::").strip("/")
    quotas: list[float] = []
    folder = groups / own if ".." not in own else groups
    for place in (folder, *folder.parents):
        with suppress(OSError, ValueError, ZeroDivisionError):
            limit, period = (place / "cpu.max").read_text().split()
            quotas.append(int(limit) / int(period))
        if place == groups:
            break
    with suppress(OSError, ValueError, ZeroDivisionError):
        limit = (groups / "cpu" / "cpu.cfs_quota_us").read_text()
        if int(limit) > 0:
            quotas.append(int(limit) / int((groups / "cpu" / "cpu.cfs_period_us").read_text()))
    return min(quotas, default=None)
