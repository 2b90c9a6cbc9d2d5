"""Mixup pairs: replayed from seed, view and sample id, with shares of the stated distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from compress.tasks.augment import Augmentation
from compress.tasks.data import Samples, Task
from compress.tasks.mixup import mixed_view, mixup_pairs
from compress.tasks.views import view_inputs

IDS = np.arange(100, 160)


def small_task() -> Task:
    random = np.random.default_rng(0)
    samples = Samples(
        ids=IDS,
        inputs=random.integers(0, 256, (60, 1, 8, 8)).astype(np.uint8),
        labels=np.zeros(60, dtype=np.int64),
    )
    return Task(
        name="small",
        classes=("a", "b"),
        input_name="input",
        scale=1 / 255,
        augmentation=Augmentation(pad_pixels=1, flip=True),
        fingerprint="",
        train=samples,
        validation=samples,
        test=lambda: samples,
    )


@given(seed=st.integers(0, 2**31), view=st.integers(0, 1000), order=st.permutations(range(60)))
def test_a_pair_depends_on_seed_view_and_id_and_not_on_the_batch(
    seed: int, view: int, order: list[int]
) -> None:
    partners, shares = mixup_pairs(IDS, seed=seed, view=view, alpha=0.4)
    rows = np.array(order[:7])
    some, their = mixup_pairs(IDS[rows], seed=seed, view=view, alpha=0.4, pool=IDS)
    assert (some == partners[rows]).all()
    assert (their == shares[rows]).all()
    assert ((shares >= 0.5) & (shares <= 1.0)).all()
    assert np.isin(partners, IDS).all()


@pytest.mark.parametrize("alpha", [0.3, 0.5, 1.0, 2.0])
def test_shares_follow_the_folded_beta_distribution(alpha: float) -> None:
    _, shares = mixup_pairs(np.arange(20_000), seed=3, view=1, alpha=alpha)

    def folded(x: np.ndarray) -> np.ndarray:
        return 2.0 * (stats.beta.cdf(x, alpha, alpha) - 0.5)

    assert stats.kstest(shares, folded).pvalue > 0.001


def test_views_have_other_partners() -> None:
    first, _ = mixup_pairs(IDS, seed=0, view=0, alpha=1.0)
    second, _ = mixup_pairs(IDS, seed=0, view=1, alpha=1.0)
    assert (first != second).mean() > 0.8


def test_a_mixed_view_is_the_weighted_sum_of_both_augmented_images() -> None:
    task, rows = small_task(), np.array([5, 0, 41])
    partners, shares = mixup_pairs(IDS[rows], seed=7, view=2, alpha=1.0, pool=IDS)
    (mixed,) = mixed_view(task, task.train, rows, seed=7, view=2, alpha=1.0)
    (ours,) = view_inputs(task, task.train, rows, seed=7, view=2)
    (theirs,) = view_inputs(task, task.train, partners - 100, seed=7, view=2)
    share = torch.from_numpy(shares).float().view(-1, 1, 1, 1)
    torch.testing.assert_close(mixed, share * ours + (1 - share) * theirs)
    (plain,) = mixed_view(task, task.train, rows, seed=7, view=2, alpha=None)
    assert torch.equal(plain, ours)


def test_alpha_must_be_positive() -> None:
    with pytest.raises(ValueError, match="above 0"):
        mixup_pairs(IDS, seed=0, view=0, alpha=0.0)
