"""Who goes when within an epoch: a seeded coin and ABBA order, for two models or more."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import mean, median


def slots(subjects: int, rng: random.Random) -> tuple[int, ...]:
    """A random order of the models. With two it is the coin: the first is launched first.

    Every order is equally likely, so that swapping two equal models changes nothing: the sign of
    their log ratio is random by design, and the sign-flip test exact.
    """
    order = list(range(subjects))
    rng.shuffle(order)
    return tuple(order)


def block_order(order: Sequence[int], rounds: int) -> tuple[tuple[int, ...], ...]:
    """Rounds of one block per model: forth, back, forth, ... (AB BA AB, or ABCD DCBA).

    Over two rounds every model has the same mean position, so that a linear drift cancels.
    """
    forth, back = tuple(order), tuple(reversed(order))
    return tuple(forth if index % 2 == 0 else back for index in range(rounds))


def epoch_value(reference: Sequence[float], candidate: Sequence[float]) -> float:
    """The log ratio of one epoch from log block values: median over the forth-and-back pairs of the
    mean of candidate - reference. An odd function: swapping the two flips its sign.

    reference, candidate: (rounds,) each, rounds even.
    """
    if len(reference) != len(candidate) or not reference or len(reference) % 2:
        raise ValueError(f"{len(reference)} and {len(candidate)} blocks; an equal, even number")
    gaps = [b - a for a, b in zip(reference, candidate, strict=True)]
    return median(mean(gaps[index : index + 2]) for index in range(0, len(gaps), 2))
