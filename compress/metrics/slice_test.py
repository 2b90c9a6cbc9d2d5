"""Which of many slices lose more than is allowed: exact or score tests, corrected for their number.

H0 of each slice: its true drop is at most the margin. A slice on which not even the loss of every
answer that the reference had right could reach the corrected level is not testable, and takes no
part of the level away from the others (Tarone, 1990). Holm's p below .05 blocks; below .10 of
Benjamini and Hochberg (false discovery rate) warns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, lgamma, log
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from compress.metrics.tango import tango_z
from compress.values import Slice

ALPHA = 0.05  # of all slices together, Holm
DISCOVERY = 0.10  # expected part of false ones among those that are warned of
EXACT = 60  # samples up to which p is summed over all outcomes
_GRID = 64  # values tried for the share of lost samples, which H0 leaves open


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceTest:
    """p and both corrections; None where the slice is not testable. needed: samples that would be
    enough to test it among these slices; of a slice of groups, groups."""

    slice: Slice
    p: float | None
    holm: float | None
    discovery: float | None
    needed: int | None = None

    @property
    def worse(self) -> bool:
        """Proven to lose more than the margin, all slices together at .05."""
        return self.holm is not None and self.holm <= ALPHA

    @property
    def suspect(self) -> bool:
        """Found at a false discovery rate of .10."""
        return self.discovery is not None and self.discovery <= DISCOVERY


def run_slice_tests(slices: Sequence[Slice], margin: float) -> tuple[SliceTest, ...]:
    """One test per slice, in their order. margin: the allowed drop, a fraction in [0, 1)."""
    least = [_least(one, margin) for one in slices]
    level = ALPHA / _tests(least)
    testable = [index for index, p in enumerate(least) if p <= level]
    ps = np.array([max(least[i], _p(slices[i], margin)) for i in testable])
    holm, discovery = _holm(ps), _benjamini_hochberg(ps)
    place = {index: at for at, index in enumerate(testable)}
    return tuple(
        SliceTest(
            slice=one,
            p=float(ps[place[index]]),
            holm=float(holm[place[index]]),
            discovery=float(discovery[place[index]]),
        )
        if index in place
        else SliceTest(
            slice=one, p=None, holm=None, discovery=None, needed=_needed(one, margin, level)
        )
        for index, one in enumerate(slices)
    )


@cache
def drop_p(lost: int, gained: int, samples: int, *, margin: float) -> float:
    """One-sided p of "the drop is at most margin": exact up to 60 samples, then Tango's score test.

    Exact: the largest chance, over all shares of lost samples that H0 allows at its edge, of an
    outcome whose score is as bad or worse.
    """
    z = tango_z(gained, lost, samples, difference=-margin)
    if samples > EXACT:
        return NormalDist().cdf(z) if abs(z) != inf else (0.0 if z < 0 else 1.0)
    scores, outcomes = _scores(samples, margin)
    as_bad = scores <= z + 1e-9
    if not as_bad.any():
        return 0.0
    lost_shares = np.linspace(margin, (1.0 + margin) / 2.0, _GRID)
    gained_shares = np.maximum(lost_shares - margin, 0.0)
    same = np.maximum(1.0 - lost_shares - gained_shares, 0.0)
    logs = (
        outcomes.ways[as_bad][:, None]
        + _times(outcomes.lost[as_bad], lost_shares)
        + _times(outcomes.gained[as_bad], gained_shares)
        + _times(samples - outcomes.lost[as_bad] - outcomes.gained[as_bad], same)
    )
    return min(1.0, float(np.exp(logs).sum(axis=0).max()))


def _least(one: Slice, margin: float) -> float:
    """p of the worst outcome, in which all is lost; of groups as if each had one sample."""
    if one.spread is None:
        return drop_p(one.reference_right, 0, one.samples, margin=margin)
    groups = one.groups or 1
    right = round(one.reference_right / one.samples * groups)
    return drop_p(right, 0, groups, margin=margin)


def _p(one: Slice, margin: float) -> float:
    if one.spread is None:
        return drop_p(one.lost, one.gained, one.samples, margin=margin)
    distance = (one.gained - one.lost) / one.samples + margin
    if one.spread == 0.0:
        return 0.0 if distance < 0 else 1.0
    return NormalDist().cdf(distance / one.spread)


def _tests(least: Sequence[float]) -> int:
    """Tarone's number: the smallest k such that at most k slices can reach .05 / k."""
    ks = np.arange(1, len(least) + 1)
    reach = np.searchsorted(np.sort(np.array(least)), ALPHA / ks, side="right")
    enough = np.flatnonzero(reach <= ks)
    return int(ks[enough[0]]) if len(enough) else 1


def _needed(one: Slice, margin: float, level: float) -> int | None:
    """Samples or groups at which losing all would be seen; None where the reference is never
    right."""
    share = one.reference_right / one.samples
    if share <= margin:
        return None
    held = one.samples if one.spread is None else one.groups or 1  # as _p counts them
    high = max(1, held)
    while drop_p(round(share * high), 0, high, margin=margin) > level:
        high *= 2
        if high > 1_000_000:
            return None
    low = held
    while high - low > 1:
        middle = (low + high) // 2
        if drop_p(round(share * middle), 0, middle, margin=margin) > level:
            low = middle
        else:
            high = middle
    return high


def _holm(ps: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(ps, kind="stable")
    steps = ps[order] * np.arange(len(ps), 0, -1)
    adjusted = np.empty_like(ps)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(ps) else steps
    return adjusted


def _benjamini_hochberg(ps: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(ps, kind="stable")
    steps = ps[order] * len(ps) / np.arange(1, len(ps) + 1)
    adjusted = np.empty_like(ps)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(steps[::-1])[::-1])
    return adjusted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcomes:
    """All ways in which n samples can be lost, gained or neither. ways: log multinomial."""

    lost: NDArray[np.int64]
    gained: NDArray[np.int64]
    ways: NDArray[np.float64]


@cache
def _outcomes(samples: int) -> _Outcomes:
    lost, gained = np.divmod(np.arange((samples + 1) ** 2), samples + 1)
    possible = lost + gained <= samples
    lost, gained = lost[possible], gained[possible]
    logs = np.array([lgamma(count + 1.0) for count in range(samples + 1)])
    ways = logs[samples] - logs[lost] - logs[gained] - logs[samples - lost - gained]
    return _Outcomes(lost=lost, gained=gained, ways=ways)


@cache
def _scores(samples: int, margin: float) -> tuple[NDArray[np.float64], _Outcomes]:
    outcomes = _outcomes(samples)
    scores = [
        tango_z(int(gained), int(lost), samples, difference=-margin)
        for lost, gained in zip(outcomes.lost, outcomes.gained, strict=True)
    ]
    return np.array(scores), outcomes


def _times(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """counts * log(shares), 0 where both are 0. (outcomes, shares)."""
    floor = np.array([log(share) if share > 0 else -1e9 for share in shares])
    product: NDArray[np.float64] = counts[:, None] * floor[None, :]
    return product
