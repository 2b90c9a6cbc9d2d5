"""Requests that come whether or not the one before is done: an open loop, so that queues show.

The standard library alone: this runs in the process that is timed.
"""

from __future__ import annotations

import ctypes
import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Call = Callable[[], object]
Clock = Callable[[], int]
_PR_SET_TIMERSLACK = 29  # linux/prctl.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """latency_ns: per request in the order of arrival, from its arrival to its answer. unserved:
    so many of them were not begun at the end; theirs is the wait so far, a lower bound."""

    latency_ns: tuple[int, ...]
    unserved: int
    seconds: float


def arrivals(rate_per_s: float, count: int, *, seed: int) -> tuple[int, ...]:
    """Nanoseconds since the start of a Poisson process."""
    rng, at = random.Random(seed), 0.0
    found = []
    for _ in range(count):
        at += rng.expovariate(rate_per_s)
        found.append(int(at * 1e9))
    return tuple(found)


def serve(
    calls: Sequence[Call],
    arrivals_ns: Sequence[int],
    *,
    end_ns: int,
    clock_ns: Clock = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> Served:
    """Each of `calls` is a session with a thread of its own; whichever is free takes the next
    request, first come first served. After end_ns none is begun."""
    turn = itertools.count()
    waits = [-1] * len(arrivals_ns)
    failures: list[BaseException] = []
    begun = clock_ns()

    def session(call: Call) -> None:
        try:
            while (index := next(turn)) < len(arrivals_ns):
                at = begun + arrivals_ns[index]
                while (early := at - clock_ns()) > 0:
                    sleep(early / 1e9)
                if clock_ns() - begun > end_ns:
                    return
                call()
                waits[index] = clock_ns() - at
        except BaseException as error:  # raised again in the thread that asked
            failures.append(error)

    _together([lambda call=call: session(call) for call in calls])  # type: ignore[misc]
    if failures:
        raise failures[0]
    ended = clock_ns()
    unserved = [index for index, wait in enumerate(waits) if wait < 0]
    for index in unserved:
        waits[index] = max(0, ended - begun - arrivals_ns[index])
    return Served(latency_ns=tuple(waits), unserved=len(unserved), seconds=(ended - begun) / 1e9)


def saturate(
    calls: Sequence[Call], *, seconds: float, clock_ns: Clock = time.perf_counter_ns
) -> float:
    """Requests per second where every session has always one to do: a closed loop."""
    counts = [0] * len(calls)
    begun = clock_ns()
    failures: list[BaseException] = []

    def session(place: int, call: Call) -> None:
        try:
            while clock_ns() - begun < seconds * 1e9:
                call()
                counts[place] += 1
        except BaseException as error:  # as above
            failures.append(error)

    _together(
        [lambda place=place, call=call: session(place, call) for place, call in enumerate(calls)]  # type: ignore[misc]
    )
    if failures:
        raise failures[0]
    return sum(counts) * 1e9 / (clock_ns() - begun)


def _together(jobs: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def sharpen_timers() -> None:
    """Sleeps of this thread, and of those it starts, end within microseconds of their time: the
    kernel's default is 50 us late, which would be most of a small model's latency."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1000))
