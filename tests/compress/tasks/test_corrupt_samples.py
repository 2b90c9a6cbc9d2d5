"""Corruptions are replayed, keep type and range, and do what their names say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compress.errors import InputError
from compress.tasks.columns import checked_columns, checked_groups
from compress.tasks.corrupt import corrupt
from compress.tasks.corrupt_audio import with_noise


def _images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, 3, 28, 28)).astype(np.uint8)


def test_a_corruption_that_does_not_fit_images_is_refused() -> None:
    with pytest.raises(ValueError, match="typos does not fit"):
        corrupt("typos", _images(), seed=0)


@pytest.mark.parametrize("kind", ["noise", "blur", "contrast"])
def test_the_same_seed_gives_the_same_bytes_and_the_input_stays(kind: str) -> None:
    images = _images()
    before = images.copy()
    first, second = corrupt(kind, images, seed=4), corrupt(kind, images, seed=4)
    assert first.tobytes() == second.tobytes()
    assert first.dtype == np.uint8
    assert first.shape == images.shape
    assert (first != images).mean() > 0.5
    assert (images == before).all()


def test_blur_and_contrast_shrink_the_spread_and_keep_the_mean() -> None:
    images = _images()
    spread = images.astype(float).std(axis=(1, 2, 3))
    contrast, blur = (corrupt(kind, images, seed=0).astype(float) for kind in ("contrast", "blur"))
    assert contrast.std(axis=(1, 2, 3)) == pytest.approx(0.4 * spread, rel=0.02)
    assert (blur.std(axis=(1, 2, 3)) < 0.7 * spread).all()
    assert contrast.mean(axis=(1, 2, 3)) == pytest.approx(images.mean(axis=(1, 2, 3)), abs=0.5)
    assert blur.mean(axis=(1, 2, 3)) == pytest.approx(images.mean(axis=(1, 2, 3)), abs=3)


def _waves() -> np.ndarray:
    """Three sines of 16,000 samples: one, a hundredth of it, and silence. (3, 1, samples)"""
    sine = np.sin(np.arange(16_000) / 7, dtype=np.float32)
    return sine * np.array([1.0, 0.01, 0.0], np.float32)[:, None, None]


def test_noise_of_a_waveform_is_twenty_decibels_below_it() -> None:
    waves = _waves()
    noise = with_noise(waves, ids=np.arange(3), seed=1) - waves
    power = np.square(noise).mean(axis=(1, 2))
    ratio = 10 * np.log10(np.square(waves).mean(axis=(1, 2))[:2] / power[:2])
    assert ratio == pytest.approx([20, 20], abs=0.2)
    assert power[2] == 0  # nothing is twenty decibels below silence


def test_noise_of_a_sample_depends_on_its_id_and_the_seed_alone() -> None:
    waves, ids = _waves(), np.array([4, 9, 2])
    together = with_noise(waves, ids=ids, seed=1)
    alone = with_noise(waves[1:2], ids=ids[1:2], seed=1)
    assert together[1].tobytes() == alone[0].tobytes()
    assert together.dtype == np.float32
    assert (waves == _waves()).all()
    for other in (
        with_noise(waves[1:2], ids=ids[1:2], seed=2),
        with_noise(waves[1:2], ids=ids[:1], seed=1),
    ):
        assert np.corrcoef((other - waves[1]).ravel(), (alone - waves[1]).ravel())[0, 1] < 0.05


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"class": np.zeros(3)}, "is no name for a column"),
        ({"": np.zeros(3)}, "is no name for a column"),
        ({"site": np.zeros(2)}, "not one value per test sample"),
        ({"site": np.zeros((3, 1))}, "not one value per test sample"),
    ],
)
def test_columns_that_can_not_be_looked_at_are_refused(columns: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        checked_columns(columns, samples=3, where="project.py:data")


def test_columns_of_mixed_values_become_texts_and_groups_integers() -> None:
    mixed = np.array(["a", None, 3], dtype=object)
    assert checked_columns({"site": mixed}, samples=3, where="x")["site"].tolist() == [
        "a",
        "None",
        "3",
    ]
    groups = checked_groups(np.array([1, 1, 2], np.uint8), samples=3, where="x")
    assert groups is not None
    assert groups.dtype == np.int64
    with pytest.raises(InputError, match="not one integer per test sample"):
        checked_groups(np.array([0.5, 1, 2]), samples=3, where="x")
