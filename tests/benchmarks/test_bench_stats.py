"""The sequential sign-flip test: its levels, its words, and what it may not say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.stats import (
    compare_test,
    limit_test,
    looks,
    median,
    median_interval,
    order_interval,
    percentile,
    sign_flip_p,
    smallest_detectable,
)

Floats = NDArray[np.float64]
SIGNS = {k: np.array(list(itertools.product([1.0, -1.0], repeat=k))) for k in (10, 12)}


def noise(epochs: int, *, spread: float, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, spread, epochs)


def reference_words(d: Floats, limit: float) -> tuple[str, str]:
    """The rule of the published simulation, written out for 12 epochs: looks at 10 and 12, levels
    2/1024 and .00113, all sign vectors, values clipped at 3 median |x|. One thing differs: slower
    and faster are tested at 0.5 % and not at 0."""
    lim = cmp = "inconclusive"
    two = "inconclusive"
    for k, alpha in ((10, 2 / 1024), (12, 0.00113)):

        def test(x: Floats, signs: Floats = SIGNS[k]) -> tuple[float, float]:
            c = 3 * np.median(np.abs(x))
            x = np.clip(x, -c, c)
            hits = np.abs(signs @ x) >= abs(x.sum()) - 1e-12
            return float(hits.mean()), float(np.sign(x.sum()))

        x = d[:k]
        p, s = test(x - math.log(limit))
        if lim == "inconclusive" and p <= alpha + 1e-12:
            lim = "violated" if s > 0 else "met"
        p, s = test(x - math.log1p(0.02))
        if two == "inconclusive" and p <= alpha + 1e-12:
            two = "violated" if s > 0 else "met"
        way = np.sign(np.median(x))
        p, s = test(x - way * math.log(1.005))
        worth = s == way and abs(np.median(x)) >= 0.01
        if cmp == "inconclusive" and p <= alpha + 1e-12 and worth:
            cmp = "slower" if s > 0 else "faster"
        elif cmp == "inconclusive" and two == "met":
            cmp = "no-slower"
    return cmp, lim


@pytest.mark.parametrize("spread", [0.003, 0.02])
@pytest.mark.parametrize("shift", [-0.03, 0.0, 0.012, 0.02, 0.05])
def test_words_are_those_of_the_published_rule(spread: float, shift: float) -> None:
    for seed in range(25):
        d = noise(12, spread=spread, seed=seed) + shift
        assert (compare_test(d), limit_test(d, 1.02)) == reference_words(d, 1.02)


def test_of_1024_equally_likely_sign_vectors_exactly_two_are_called_different() -> None:
    sizes = np.linspace(0.02, 0.03, 10)  # all far above 1 %, none clipped
    words = [
        compare_test(sizes * np.array(signs)) for signs in itertools.product([1, -1], repeat=10)
    ]
    assert words.count("slower") == 1
    assert words.count("faster") == 1


def test_p_is_exact_up_to_twelve_epochs_and_counts_itself_beyond() -> None:
    assert sign_flip_p([0.1] * 10) == (2 / 1024, 1)
    assert sign_flip_p([-0.1] * 12) == (2 / 4096, -1)
    p, direction = sign_flip_p([0.1] * 24, seed=3)
    assert (p, direction) == (1 / 40_001, 1)


def test_twelve_epochs_call_an_eightfold_speedup_met_when_it_is_twentyfold() -> None:
    d = noise(12, spread=0.05) + math.log(1 / 20)
    for tests in (1, 2, 3, 4):
        assert limit_test(d, 1 / 8, tests=tests) == "met"
    assert limit_test(d, 1 / 8, tests=5) == "inconclusive"  # 13 signs are needed for a fifth
    assert limit_test(d, 1 / 30) == "violated"


def test_at_the_limit_itself_the_answer_is_inconclusive() -> None:
    d = noise(12, spread=0.01, seed=5) + math.log(1.02)
    assert limit_test(d, 1.02) == "inconclusive"


def test_one_spike_does_not_turn_a_speedup_around() -> None:
    d = np.full(12, -0.05) + noise(12, spread=0.002)
    d[3] = 40.0
    assert limit_test(d, 1.0) in ("met", "inconclusive")
    d[3] = -40.0
    assert compare_test(d) == "faster"


def test_equal_times_are_no_slower() -> None:
    assert compare_test([0.0] * 12) == "no-slower"
    assert compare_test([0.005] * 12) == "no-slower"  # real, and below the 1 % worth a word


def test_what_equal_files_may_show_is_called_no_difference() -> None:
    # 0.4 % slower in each of 96 epochs: certain, and no news.
    assert compare_test([0.004] * 96, resolve=True) == "no-slower"
    d = noise(96, spread=0.004, seed=2)
    assert compare_test(d - np.median(d) + 0.0045, resolve=True) == "no-slower"
    assert compare_test(d - np.median(d) + 0.0105, resolve=True) == "slower"
    assert compare_test(d - np.median(d) - 0.0105, resolve=True) == "faster"


def test_resolve_goes_on_past_no_slower() -> None:
    # 1.5 % faster once it has warmed to it: the first look only bounds it.
    d = np.concatenate([[0.004, -0.015] * 5, np.full(14, -0.015)])
    assert compare_test(d) == "no-slower"
    assert compare_test(d, resolve=True) == "faster"


@pytest.mark.parametrize("epochs", [0, 1, 9])
def test_too_few_epochs_are_inconclusive(epochs: int) -> None:
    assert compare_test([3.0] * epochs) == "inconclusive"
    assert limit_test([-3.0] * epochs, 1.0) == "inconclusive"
    assert smallest_detectable([0.01] * epochs, seed=0) is None


def test_first_look_is_the_smallest_number_of_signs_that_can_reach_the_level() -> None:
    assert looks(12) == ((10, 2 / 1024), (12, 0.00113))
    assert looks(12, tests=2)[0] == (11, 1 / 1024)
    assert looks(12, tests=4) == ((12, 2 / 4096),)
    assert looks(96)[-1] == (96, 0.00113)
    assert sum(alpha for _, alpha in looks(96)) == pytest.approx(0.0099, abs=5e-5)


def test_a_number_of_epochs_between_two_looks_takes_the_next_ones_place() -> None:
    assert looks(14) == ((10, 2 / 1024), (12, 0.00113), (14, 0.00113))
    assert sum(alpha for _, alpha in looks(95)) == sum(alpha for _, alpha in looks(96))
    assert looks(300)[-1][0] == 96


def test_smallest_detectable_follows_the_noise() -> None:
    quiet = smallest_detectable(noise(12, spread=0.005), seed=1)
    loud = smallest_detectable(noise(12, spread=0.05), seed=1)
    assert quiet is not None
    assert loud is not None
    assert 0.01 <= quiet < 0.03
    assert 0.04 < loud < 0.3
    assert loud == smallest_detectable(noise(12, spread=0.05) + 2.0, seed=1)  # its own centre


def test_interval_is_seeded_and_holds_the_median() -> None:
    d = noise(12, spread=0.02, seed=9)
    low, high = median_interval(d, seed=4)
    assert low < median(d) < high
    assert (low, high) == median_interval(d, seed=4)
    assert median_interval([0.3], seed=0) == (0.3, 0.3)


def test_two_order_statistics_bound_the_median_of_any_distribution() -> None:
    """Of ten, the second and the ninth: 1 - 2 (1 + 10) / 1024. Of eight, the ends: 1 - 2 / 256."""
    assert order_interval([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]) == (2, 9, 1 - 22 / 1024)
    assert order_interval(range(8)) == (0, 7, 1 - 2 / 256)
    assert order_interval(range(6)) == (0, 5, 1 - 2 / 64)
    assert order_interval(range(5)) is None  # the ends cover 93.75 %
    rng = np.random.default_rng(0)
    found = [order_interval(row) for row in rng.exponential(1.0, size=(4000, 10))]
    held = [bounds is not None and bounds[0] <= math.log(2) <= bounds[1] for bounds in found]
    assert np.mean(held) == pytest.approx(1 - 22 / 1024, abs=0.007)  # three standard errors


def test_percentile_is_linear_between_order_statistics() -> None:
    assert percentile([1, 2, 3, 4], 50) == 2.5
    assert percentile(range(101), 95) == 95


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        compare_test([float("nan")] * 12)
    with pytest.raises(ValueError, match="ratio above 0"):
        limit_test([0.0] * 12, 0)
    with pytest.raises(ValueError, match="of nothing"):
        median([])
