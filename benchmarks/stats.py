"""Verdicts on log ratios: a sequential sign-flip test. numpy alone, pure, seeds passed in.

The unit is an epoch (a pair of fresh processes): d = log(candidate time / reference time). For
equal files the sign of d is random by the design of the run (a coin decides who goes first), so the
test needs no assumption on the noise. Looks and levels add up to .0099 for both directions.
Files of equal work are not quite equal, though: "slower" and "faster" are tested at their edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.values import LimitWord

Floats = NDArray[np.float64]
CompareWord = Literal["slower", "faster", "no-slower", "inconclusive"]

LOOKS = (10, 12, 16, 24, 32, 48, 64, 96)
FEWEST_EPOCHS = LOOKS[0]  # with fewer, no sign-flip test can reach its level
FIRST_ALPHA = 2 / 1024  # the smallest two-sided p that 10 signs can give
LATER_ALPHA = 0.00113
SMALLEST_NAMED = 0.01  # a difference below 1 % is not worth the word "slower"
EQUAL_WITHIN = 0.005  # equal work in other bytes may differ by so much: docs/measuring.md
TOLERANCE = 0.02  # "no-slower" is bounded by this
EXACT_UP_TO = 12  # 4,096 sign vectors; beyond, random ones
DRAWS = 40_000


def median(values: Sequence[float] | Floats) -> float:
    """The middle value; ValueError when there is none."""
    if len(values) == 0:
        raise ValueError("median of nothing")
    return float(np.median(np.asarray(values, dtype=np.float64)))


def percentile(values: Sequence[float] | Floats, q: float) -> float:
    """q in [0, 100]; linear between order statistics. ValueError when there is no value."""
    if len(values) == 0:
        raise ValueError("percentile of nothing")
    return float(np.percentile(np.asarray(values, dtype=np.float64), q))


def median_interval(
    values: Sequence[float] | Floats, *, seed: int, level: float = 0.95, resamples: int = 10_000
) -> tuple[float, float]:
    """Percentile bootstrap interval of the median; each value is one epoch. Nominal level."""
    found = np.asarray(values, dtype=np.float64)
    if len(found) == 0:
        raise ValueError("interval of nothing")
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(found), size=(resamples, len(found)))
    medians = np.median(found[picks], axis=1)
    tail = 50 * (1 - level)
    low, high = np.percentile(medians, [tail, 100 - tail])
    return float(low), float(high)


def order_interval(
    values: Sequence[float] | Floats, *, level: float = 0.95
) -> tuple[float, float, float] | None:
    """(low, high, coverage) of the median from two order statistics: the narrowest that covers
    `level` at least, whatever the distribution. The k-th lowest and highest of n values miss the
    median with probability 2 P(Binomial(n, 1/2) < k). None: fewer values than any can cover."""
    ordered = sorted(float(value) for value in values)
    count, missed, found = len(ordered), 0.0, None
    for below in range(count // 2):
        missed += 2 * math.comb(count, below) / 2**count
        if 1 - missed < level:
            break
        found = (ordered[below], ordered[count - 1 - below], 1 - missed)
    return found


def looks(epochs: int, *, tests: int = 1) -> tuple[tuple[int, float], ...]:
    """(epochs at the look, its level) for a sequence that has `epochs` values.

    With several tests each gets its part of the level, and the first look is the smallest number of
    signs that can reach it. A number of epochs that is no look of its own takes the place of the
    next one. Empty: too few epochs for any answer.
    """
    if tests < 1:
        raise ValueError(f"tests is {tests}; use 1 or more")
    first_alpha, later_alpha = FIRST_ALPHA / tests, LATER_ALPHA / tests
    first = max(LOOKS[0], math.ceil(math.log2(2 / first_alpha) - 1e-9))
    plan = [(first, first_alpha)]
    plan += [(look, later_alpha) for look in LOOKS if look > first]
    taken = [step for step in plan if step[0] <= epochs]
    rest = plan[len(taken) :]
    if taken and rest and taken[-1][0] < epochs:
        taken.append((epochs, rest[0][1]))
    return tuple(taken)


def sign_flip_p(values: Sequence[float] | Floats, *, seed: int = 0) -> tuple[float, int]:
    """Two-sided p of a sign-flip test for a centre of 0, and the direction: -1, 0 or 1."""
    rows = np.asarray(values, dtype=np.float64)[None, :]
    p, direction = _test(rows, _signs(rows.shape[1], np.random.default_rng(seed), DRAWS))
    return float(p[0]), int(direction[0])


def compare_test(
    log_ratios: Sequence[float] | Floats, *, tests: int = 1, seed: int = 0, resolve: bool = False
) -> CompareWord:
    """Is the candidate slower or faster than the reference, or no slower by more than 2 %?

    resolve: "no-slower" does not end it; only "slower", "faster" or the last look do.
    """
    return compare_rows(_rows(log_ratios), tests=tests, seed=seed, resolve=resolve)[0][0]


def compare_rows(
    rows: Floats, *, tests: int = 1, seed: int = 0, resolve: bool = False
) -> tuple[tuple[CompareWord, ...], tuple[int, ...]]:
    """compare_test of every row, and the epochs that each took. rows: (sequences, epochs)."""
    rng = np.random.default_rng(seed)
    words: list[CompareWord] = ["inconclusive"] * len(rows)
    used = np.full(len(rows), rows.shape[1])
    is_open = np.ones(len(rows), dtype=bool)
    within, beyond = np.zeros_like(is_open), np.zeros_like(is_open)  # the limit test at +2 %
    for look, alpha in looks(rows.shape[1], tests=tests):
        signs = _signs(look, rng, _draws(alpha))
        at = np.flatnonzero(is_open)
        if not len(at):
            break
        found = rows[at, :look]
        named, direction = _differs(found, signs, alpha)
        limit_p, side = _test(found - math.log1p(TOLERANCE), signs)
        told = (limit_p <= alpha + 1e-12) & ~within[at] & ~beyond[at]
        within[at] |= told & (side < 0)
        beyond[at] |= told & (side > 0)
        for place, is_named, way in zip(at, named, direction, strict=True):
            if is_named:
                words[place] = "slower" if way > 0 else "faster"
            elif within[place] and not resolve:
                words[place] = "no-slower"
            else:
                continue
            used[place], is_open[place] = look, False
    for place in np.flatnonzero(is_open & within):
        words[place] = "no-slower"
    return tuple(words), tuple(int(count) for count in used)


def limit_test(
    log_ratios: Sequence[float] | Floats, limit: float, *, tests: int = 1, seed: int = 0
) -> LimitWord:
    """Is candidate time / reference time below limit? min_speedup 8x: limit 1/8; +2 %: 1.02.

    tests: how many budgets share the level. ValueError unless limit is positive.
    """
    return limit_rows(_rows(log_ratios), limit, tests=tests, seed=seed)[0][0]


def limit_rows(
    rows: Floats, limit: float, *, tests: int = 1, seed: int = 0
) -> tuple[tuple[LimitWord, ...], tuple[int, ...]]:
    """limit_test of every row, and the epochs that each answer took. rows: (sequences, epochs)."""
    if not limit > 0:
        raise ValueError(f"limit is {limit}; a ratio above 0 is needed")
    rng = np.random.default_rng(seed)
    words: list[LimitWord] = ["inconclusive"] * len(rows)
    used = np.full(len(rows), rows.shape[1])
    is_open = np.ones(len(rows), dtype=bool)
    for look, alpha in looks(rows.shape[1], tests=tests):
        signs = _signs(look, rng, _draws(alpha))
        at = np.flatnonzero(is_open)
        if not len(at):
            break
        p, direction = _test(rows[at, :look] - math.log(limit), signs)
        told = (p <= alpha + 1e-12) & (direction != 0)
        for place, way in zip(at[told], direction[told], strict=True):
            words[place] = "violated" if way > 0 else "met"
            used[place], is_open[place] = look, False
    return tuple(words), tuple(int(count) for count in used)


def smallest_detectable(
    log_ratios: Sequence[float] | Floats, *, seed: int, power: float = 0.95, runs: int = 400
) -> float | None:
    """The smallest slow-down (0.02: +2 %) that this noise and number of epochs would show.

    Simulated: the observed values, centred, resampled with random signs and shifted; the answer is
    the shift that is called slower in `power` of the runs. None: no shift up to 10x would be.
    """
    found = _rows(log_ratios)[0]
    steps = looks(len(found))
    if not steps:
        return None
    rng = np.random.default_rng(seed)
    noise = (found - np.median(found))[rng.integers(len(found), size=(runs, len(found)))]
    noise *= rng.choice([-1.0, 1.0], size=noise.shape)
    flips = [_signs(look, rng, 4000) for look, _ in steps]

    def shown(shift: float) -> bool:
        hit = np.zeros(runs, dtype=bool)
        for (look, alpha), signs in zip(steps, flips, strict=True):
            rows = noise[:, :look] + math.log1p(shift)
            named, direction = _differs(rows, signs, alpha)
            hit |= named & (direction > 0)
        return bool(hit.mean() >= power)

    low, high = 0.0, SMALLEST_NAMED
    while not shown(high):
        low, high = high, high * 2
        if high > 9:
            return None
    while high - low > 0.02 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


def _rows(values: Sequence[float] | Floats) -> Floats:
    rows = np.asarray(values, dtype=np.float64).reshape(1, -1)
    if not np.isfinite(rows).all():
        raise ValueError("a log ratio is not finite")
    return rows


def _draws(alpha: float) -> int:
    return max(DRAWS, math.ceil(10 / alpha))


def _signs(count: int, rng: np.random.Generator, draws: int) -> tuple[Floats, int]:
    """Sign vectors (rows, count), and what p adds for the observed one where they are random."""
    if count <= EXACT_UP_TO:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return (1 - 2 * bits).astype(np.float64), 0
    drawn: Floats = rng.choice(np.array([-1.0, 1.0]), size=(draws, count)).astype(np.float64)
    return drawn, 1


def _differs(
    rows: Floats, signs: tuple[Floats, int], alpha: float
) -> tuple[NDArray[np.bool_], Floats]:
    """Per row: is its centre beyond what equal work shows, and worth a word? And which way?"""
    middle = np.median(rows, axis=1)
    way = np.sign(middle)
    p, direction = _test(rows - way[:, None] * math.log1p(EQUAL_WITHIN), signs)
    beyond = (p <= alpha + 1e-12) & (direction == way)
    return beyond & (np.abs(middle) >= SMALLEST_NAMED), way


def _test(rows: Floats, signs: tuple[Floats, int]) -> tuple[Floats, Floats]:
    """Two-sided p and direction per row. Values are clipped at 3 median |x|, an odd function of
    the data: one spike can't carry the sum, and the test stays exact."""
    vectors, extra = signs
    clip = 3 * np.median(np.abs(rows), axis=1, keepdims=True)
    clipped = np.clip(rows, -clip, clip)
    total = clipped.sum(axis=1)
    hits = np.empty(len(rows))
    for begin in range(0, len(rows), 400):
        part = slice(begin, begin + 400)
        flipped = np.abs(vectors @ clipped[part].T)
        hits[part] = (flipped >= np.abs(total[part]) - 1e-12).sum(axis=0)
    return (hits + extra) / (len(vectors) + extra), np.sign(total)
