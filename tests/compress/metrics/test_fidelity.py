"""Similarities of embeddings: ranks with ties, bounds over samples, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from compress.errors import InputError
from compress.metrics.fidelity import BLOCKS, T_95, fidelity, spearman, spread_rows

Floats = NDArray[np.float64]


def _pair(samples: int, *, noise: float, seed: int) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    first = random.normal(size=(samples, 12)) * np.linspace(1, 3, 12)
    return first, first[:, 4:] + noise * random.normal(size=(samples, 8))


def test_spearman_of_three_pairs_by_hand_with_a_tie() -> None:
    # Directions at 0, 60 and 90 degrees: cosines 1/2, 0, cos 30. Ranks 2, 1, 3.
    angles = np.deg2rad([0.0, 60.0, 90.0])
    reference = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # Axes, two of them alike: cosines 1, 0, 0. Ranks 3, 1.5, 1.5.
    candidate = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    # Ranks less 2: (0, -1, 1) and (1, -.5, -.5); their product sums to 0.
    assert spearman(reference, candidate) == pytest.approx(0.0, abs=1e-12)
    turned = candidate[[0, 2, 2]]  # cosines 0, 0, 1: ranks 1.5, 1.5, 3
    assert spearman(reference, turned) == pytest.approx(1.5 / np.sqrt(2 * 1.5), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100))
def test_similarities_ignore_scale_and_rotation(seed: int, scale: float) -> None:
    first, second = _pair(60, noise=1.0, seed=seed)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(8, 8)))
    plain = spearman(first, second)
    assert spearman(first * scale, second @ rotation) == pytest.approx(plain, abs=1e-4)
    assert spearman(first, first @ np.eye(12)) == pytest.approx(1.0, abs=1e-12)


def test_bounds_hold_the_value_and_are_as_wide_as_new_samples_scatter() -> None:
    found = [fidelity("a", "b", *_pair(240, noise=1.5, seed=seed)) for seed in range(12)]
    assert all(f.spearman_low_bound < f.spearman < f.spearman_high_bound for f in found)
    scatter = float(np.std([f.spearman for f in found], ddof=1))
    errors = [(f.spearman_high_bound - f.spearman_low_bound) / 2 / 1.685 for f in found]
    # Twelve draws tell a spread within a factor of 1.5 at about 95 %.
    assert 1 / 1.6 < float(np.mean(errors)) / scatter < 1.6
    assert found[0].pairs == 240 * 239 // 2


def test_samples_of_one_group_say_no_more_than_it_does() -> None:
    """120 recordings of three near copies each have the error of 120 samples; as 360 samples of
    their own it would be 1 / sqrt 3 of that."""
    random, ids = np.random.default_rng(7), np.repeat(np.arange(120), 3)
    first, second = _pair(120, noise=1.5, seed=2)
    copies = first[ids] + 0.01 * random.normal(size=(360, 12)), second[ids]
    whole = fidelity("a", "b", first, second)
    mixed = random.permutation(360)
    grouped = fidelity("a", "b", *(rows[mixed] for rows in copies), groups=ids[mixed])
    alone = fidelity("a", "b", *copies)
    assert (grouped.groups, grouped.samples, alone.groups) == (120, 360, None)
    spans = [f.spearman_high_bound - f.spearman_low_bound for f in (whole, grouped, alone)]
    assert spans[1] / spans[0] == pytest.approx(1.0, abs=0.1)
    assert spans[2] / spans[0] == pytest.approx(3**-0.5, abs=0.15)


def test_a_group_of_one_sample_each_is_none_at_all() -> None:
    pair = _pair(150, noise=1.5, seed=1)
    alone, grouped = fidelity("a", "b", *pair), fidelity("a", "b", *pair, groups=np.arange(150))
    assert grouped.spearman_low_bound == alone.spearman_low_bound
    assert grouped.spearman_high_bound == alone.spearman_high_bound


def test_few_groups_have_wide_bounds_and_fewer_than_five_have_none() -> None:
    pair = _pair(150, noise=1.5, seed=2)

    def bounds(groups: NDArray[np.int64]) -> tuple[float, float]:
        found = fidelity("a", "b", *pair, groups=groups)
        return found.spearman_low_bound, found.spearman_high_bound

    forty, five = (np.subtract(*bounds(np.arange(150) % count)) for count in (40, 5))
    assert five < 1.5 * forty < 0  # Student's t of four degrees of freedom is 2.1
    assert bounds(np.arange(150) % 4) == (-1.0, 1.0)
    # All but five samples are of one recording: without it there is nothing to compare.
    assert bounds(np.minimum(np.arange(150), 5)) == (-1.0, 1.0)


def test_students_t_is_that_of_the_tables() -> None:
    assert list(T_95) == pytest.approx(
        [float(stats.t.ppf(0.95, free)) for free in range(4, BLOCKS)], abs=6e-4
    )


def test_neighbours_are_all_kept_by_a_rotation_and_hardly_any_by_noise() -> None:
    first, _ = _pair(300, noise=0.0, seed=0)
    same = fidelity("a", "b", first, 2.0 * first)
    noise = fidelity("a", "b", first, np.random.default_rng(1).normal(size=(300, 8)))
    assert same.neighbours_kept == 1.0
    assert same.spearman_low_bound > 0.999
    assert noise.neighbours_kept == pytest.approx(10 / 299, abs=0.02)
    assert noise.spearman_low_bound < 0.0 < noise.spearman_high_bound


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda e: e[:119], "119 embeddings for 200 samples"),
        (lambda e: e * 0, "200 embeddings are zero"),
        (lambda e: e * np.nan, "not finite"),
        (lambda e: np.ones_like(e), "equally similar"),
    ],
)
def test_embeddings_that_say_nothing_are_refused(change: object, what: str) -> None:
    assert callable(change)
    first, second = _pair(200, noise=1.0, seed=0)
    with pytest.raises(InputError, match=what):
        fidelity("a", "b", first, change(second))


def test_few_samples_have_no_bounds() -> None:
    with pytest.raises(InputError, match="too few to compare"):
        fidelity("a", "b", *_pair(119, noise=1.0, seed=0))


def test_rows_are_spread_over_all_samples() -> None:
    assert spread_rows(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert spread_rows(101, 5).tolist() == [0, 25, 50, 75, 100]
