from __future__ import annotations

import hashlib

import numpy as np
import pytest

from compress.errors import InputError
from compress.tasks.counter import uniform
from compress.tasks.split import TEST_STREAM, held_out, validation_indices


def test_the_split_of_the_shipped_teacher_never_changes() -> None:
    """Its weights were chosen on these 5,000 of 60,000 samples, seed 0."""
    train, validation = validation_indices(np.arange(60_000, dtype=np.uint64), 5_000, seed=0)
    order = np.argsort(uniform(0, 2**31, np.arange(60_000), draws=1)[:, 0], kind="stable")
    np.testing.assert_array_equal(validation, np.sort(order[:5_000]))
    np.testing.assert_array_equal(train, np.sort(order[5_000:]))
    assert hashlib.sha256(validation.astype("<i8").tobytes()).hexdigest() == (
        "07b0435191ae1641ef3eefe1c3e703e1c9cd7924b7b5e0210a2210717f71bb66"
    )


@pytest.mark.parametrize(("n", "count"), [(1, 1), (10, 10), (10, 0), (10, 5000), (0, 1)])
def test_a_split_that_leaves_nothing_is_refused(n: int, count: int) -> None:
    with pytest.raises(InputError, match=r"task\.validation"):
        validation_indices(np.arange(n, dtype=np.uint64), count, seed=0)


def test_copies_come_with_what_is_held_out_for_validation() -> None:
    contents = np.arange(100, dtype=np.uint64)
    _, drawn = validation_indices(contents, 10, seed=0)
    copies = np.setdiff1d(np.arange(100), drawn)[:10]
    contents[copies] = contents[drawn]
    train, validation = validation_indices(contents, 10, seed=0)
    np.testing.assert_array_equal(validation, np.union1d(drawn, copies))
    np.testing.assert_array_equal(train, np.setdiff1d(np.arange(100), validation))
    with pytest.raises(InputError, match="the 5 training samples are copies of the 1"):
        validation_indices(np.zeros(5, dtype=np.uint64), 1, seed=0)


def test_equal_contents_are_held_out_together() -> None:
    contents = np.repeat(np.arange(50, dtype=np.uint64), 2)
    held = held_out(contents, 21, seed=0, stream=TEST_STREAM)
    assert held.sum() == 22
    np.testing.assert_array_equal(held[::2], held[1::2])


def test_a_new_sample_moves_at_most_one_other() -> None:
    contents = np.random.default_rng(0).integers(0, 2**63, 200).astype(np.uint64)
    before = held_out(contents[:-1], 40, seed=0, stream=TEST_STREAM)
    after = held_out(contents, 40, seed=0, stream=TEST_STREAM)
    assert np.count_nonzero(before != after[:-1]) <= 1
    assert not held_out(contents, 0, seed=0, stream=TEST_STREAM).any()
