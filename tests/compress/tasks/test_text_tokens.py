"""Rows of tokens: what a network is given of them, and which of them share a batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.tasks import tokens
from compress.tasks.augment import Augmentation
from compress.tasks.batches import epoch_rows, row_batches
from compress.tasks.data import Samples, Task
from compress.tasks.tokens import collate_tokens, token_counts


def task_of(lengths: list[int], *, columns: int = 16) -> Task:
    rows = np.zeros((len(lengths), columns), dtype=np.uint16)
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = np.arange(1, length + 1)
    samples = Samples(
        ids=np.arange(len(rows)), inputs=rows, labels=np.zeros(len(rows), dtype=np.int64)
    )
    test: Callable[[], Samples] = lambda: samples  # noqa: E731
    return Task(
        name="text",
        classes=("a", "b"),
        input_name="input_ids",
        scale=1.0,
        augmentation=Augmentation(),
        fingerprint="",
        train=samples,
        validation=samples,
        test=test,
        padding=0,
    )


def test_a_batch_is_as_wide_as_its_longest_text() -> None:
    task = task_of([3, 5, 1])
    feeds = task.collate(task.train.inputs)
    assert list(feeds) == list(task.input_names) == ["input_ids", "attention_mask"]
    assert feeds["input_ids"].tolist() == [[1, 2, 3, 0, 0], [1, 2, 3, 4, 5], [1, 0, 0, 0, 0]]
    assert feeds["attention_mask"].sum(axis=1).tolist() == [3, 5, 1]
    assert {array.dtype for array in feeds.values()} == {np.dtype(np.int64)}


def test_tokens_are_counted_in_parts_of_a_split(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = [3, 1, 16, 2, 9, 4, 7]
    rows = task_of(lengths).train.inputs
    whole = token_counts(rows, padding=0)
    monkeypatch.setattr(tokens, "_AT_ONCE", 3)
    assert token_counts(rows, padding=0).tolist() == whole.tolist() == lengths


def test_an_empty_text_counts_one_token_and_padding_inside_a_text_is_kept() -> None:
    rows = np.array([[0, 0, 0], [7, 0, 8]], dtype=np.int32)
    assert token_counts(rows, padding=0).tolist() == [1, 3]
    assert collate_tokens(rows, padding=0)["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(("tokens", "ids"), [(2, [[1, 2]]), (5, [[1, 2, 3, 0, 0]])])
def test_timed_texts_are_cut_or_padded_to_a_length(tokens: int, ids: list[list[int]]) -> None:
    rows = np.array([[1, 2, 3, 0]], dtype=np.uint16)
    assert collate_tokens(rows, padding=0, tokens=tokens)["input_ids"].tolist() == ids


@given(st.lists(st.integers(1, 16), min_size=1, max_size=60), st.integers(1, 9))
def test_every_row_is_in_one_batch_and_batches_go_from_short_to_long(
    lengths: list[int], size: int
) -> None:
    task = task_of(lengths)
    batches = list(row_batches(task, task.train, size))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    longest = [max(lengths[row] for row in batch) for batch in batches]
    assert longest == sorted(longest)


@given(st.lists(st.integers(1, 16), min_size=8, max_size=80), st.integers(2, 8), st.integers(0, 3))
def test_an_epoch_holds_whole_batches_of_different_rows(
    lengths: list[int], size: int, epoch: int
) -> None:
    task = task_of(lengths)
    rows = epoch_rows(task, size, seed=1, epoch=epoch)
    assert len(rows) == len(set(rows.tolist())) == len(lengths) // size * size
    assert rows.tolist() == epoch_rows(task, size, seed=1, epoch=epoch).tolist()


def test_length_buckets_save_most_of_the_padding_and_change_with_the_epoch() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 17, 1600).tolist()
    task = task_of(lengths)
    first, second = (epoch_rows(task, 16, seed=0, epoch=epoch) for epoch in (0, 1))
    assert first.tolist() != second.tolist()
    padded = sum(16 * max(lengths[row] for row in batch) for batch in first.reshape(-1, 16))
    assert padded < 1.06 * sum(lengths)
    firsts = [lengths[row] for row in first[::16]]
    assert firsts != sorted(firsts)
