"""How hard each cell is measured: the numbers of the method, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.timing import WarmUp

# Samples below which a percentile says nothing (MLPerf loadgen's early stopping).
ENOUGH = {90: 64, 95: 130, 99: 662}
ENOUGH_FOR_P95 = ENOUGH[95]


_FULL = WarmUp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """block_ns: a block lasts at least so long; rounds: blocks per model and epoch, even;
    slow_rounds: the same where one call fills a block; limit_s: for each request to a child.

    Noise within an epoch is most of an epoch's noise, and starting its processes most of its time:
    20 rounds in place of 10 halved its variance at least (docs/measuring.md).
    """

    warm_up: WarmUp = _FULL
    block_ns: int = 20_000_000
    most_calls: int = 2000
    rounds: int = 20
    slow_rounds: int = 10
    limit_s: float = 120.0


STANDARD = Pace()
# For a yes or no on a difference of tens of percent.
QUICK = Pace(warm_up=WarmUp(min_ns=100_000_000, max_ns=1_000_000_000), rounds=10)


def rounds_for(pace: Pace, *, calls: int, epochs: int) -> int:
    """A slow model has one call per block: fewer rounds, and two more where that gives it a p95."""
    if calls > 1:
        return pace.rounds
    fewest = min(pace.rounds, pace.slow_rounds)
    for rounds in (fewest, fewest + 2):
        if rounds * epochs >= ENOUGH_FOR_P95:
            return rounds
    return fewest


def even_calls(calls: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """(subject, batch) -> calls per block, the same for models of about the first one's speed.

    Where processes share a core, a block's median depends on its length: blocks of 2 and of 14
    calls of one network differed by up to 70 %. A twin must not differ by how its probe fell. Only
    where models differ by more than three times do their blocks differ: equal lengths keep a slow
    one from taking most of the time.
    """
    even = dict(calls)
    for batch in {batch for _, batch in calls}:
        first = calls[0, batch]
        near = [
            key
            for key, count in calls.items()
            if key[1] == batch and count <= 3 * first and first <= 3 * count
        ]
        even |= dict.fromkeys(near, max(calls[key] for key in near))
    return even
