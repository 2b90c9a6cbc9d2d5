"""The clock work of a measurement, and nothing else: the standard library alone.

Every function takes its clock, so that tests are exact under a fake one.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

FEWEST = 4  # rounds: of fewer there is no middle half
Call = Callable[[], object]
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """Run at least min_calls and min_ns, then until the median of the last 3 calls is within
    tolerance of the median of the 3 before, max_ns at most."""

    min_calls: int = 5
    min_ns: int = 300_000_000
    max_ns: int = 2_000_000_000
    tolerance: float = 0.05


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """The collector stays out of the timed calls, and is left as it was found."""
    was_on = gc.isenabled()
    if was_on:  # a worker has it off from its start: no collection before every block
        gc.collect()
        gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def time_calls(
    call: Call, *, warmup: int, rounds: int, clock_ns: Clock = time.perf_counter_ns
) -> tuple[int, ...]:
    """Nanoseconds of each of `rounds` calls, after `warmup` calls that are not timed."""
    with no_garbage_collection():
        for _ in range(warmup):
            call()
        samples = [0] * rounds
        for index in range(rounds):
            start = clock_ns()
            call()
            samples[index] = clock_ns() - start
    return tuple(samples)


def warm_up(call: Call, rule: WarmUp, *, clock_ns: Clock = time.perf_counter_ns) -> tuple[int, ...]:
    """Call until the rule is content. Returns the nanoseconds of each call."""
    samples: list[int] = []
    begun = clock_ns()
    with no_garbage_collection():
        while True:
            start = clock_ns()
            call()
            now = clock_ns()
            samples.append(now - start)
            if len(samples) < rule.min_calls or now - begun < rule.min_ns:
                continue
            if now - begun >= rule.max_ns or _settled(samples, rule.tolerance):
                return tuple(samples)


def _settled(samples: Sequence[int], tolerance: float) -> bool:
    if len(samples) < 6:
        return False
    last, before = median(samples[-3:]), median(samples[-6:-3])
    return abs(last - before) <= tolerance * before


def calls_per_block(call_ns: float, *, block_ns: int = 20_000_000, most: int = 2000) -> int:
    """How many calls of call_ns make a block of at least block_ns; between 1 and `most`."""
    if call_ns <= 0:
        return most
    return max(1, min(most, -int(-block_ns // call_ns)))


def interleaved(
    reference: Call,
    candidate: Call,
    *,
    rule: WarmUp,
    rounds: int,
    most_ns: int | None = None,
    clock_ns: Clock = time.perf_counter_ns,
) -> dict[str, list[float]]:
    """The fastest quarter of each block of 20 ms of two calls, in ns: AB BA AB ..., warmed up.

    most_ns: of all blocks together; slow calls get fewer rounds for it, FEWEST at least.

    What else runs makes calls longer, and long calls more often: medians of a busy machine said
    that a file was 78 times as fast as another, which it was 11 times.
    """
    with no_garbage_collection():  # one collection, not one before every block
        return _alternating(reference, candidate, rule, rounds, most_ns, clock_ns)


def _alternating(
    reference: Call,
    candidate: Call,
    rule: WarmUp,
    rounds: int,
    most_ns: int | None,
    clock_ns: Clock,
) -> dict[str, list[float]]:
    calls, round_ns = {}, 0
    for name, call in (("reference", reference), ("candidate", candidate)):
        quickest = min(warm_up(call, rule, clock_ns=clock_ns))
        calls[name] = (call, calls_per_block(quickest))
        round_ns += calls[name][1] * quickest
    if most_ns is not None:
        rounds = min(rounds, max(FEWEST, most_ns // max(1, round_ns)))
    found: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(rounds):
        for name in list(calls) if index % 2 == 0 else reversed(list(calls)):
            call, count = calls[name]
            samples = time_calls(call, warmup=0, rounds=count, clock_ns=clock_ns)
            found[name].append(max(1.0, float(sorted(samples)[len(samples) // 4])))
    return found
