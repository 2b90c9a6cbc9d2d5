"""The rows that BatchNorm statistics are re-estimated on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_training import bars_task
from torch import nn

from compress.distill.averaging import reestimate_batch_norm
from compress.distill.feed import TrainingFeed
from compress.tasks.data import Samples, Task


def sorted_task(count: int) -> Task:
    """Three classes, sorted, whose rows lie far apart: nearly all variance is between them."""
    random = np.random.default_rng(0)
    labels = np.sort(np.arange(count) % 3)
    inputs = (random.normal(size=(count, 2)) + 10 * labels[:, None]).astype(np.float32)
    train = Samples(ids=np.arange(count), inputs=inputs, labels=labels)
    return replace(bars_task(), train=train, scale=1.0)


@pytest.mark.parametrize("count", [600, 12_000])  # all of them are used, or not
def test_statistics_of_a_task_that_is_sorted_by_class_are_those_of_all_its_rows(count: int) -> None:
    task = sorted_task(count)
    norm = nn.BatchNorm1d(2)
    reestimate_batch_norm(norm, TrainingFeed(task=task, batch=32, seed=0).statistics_batches())
    rows = torch.from_numpy(task.train.inputs)
    torch.testing.assert_close(norm.running_mean, rows.mean(0), rtol=0.02, atol=0.0)
    torch.testing.assert_close(norm.running_var, rows.var(0), rtol=0.03, atol=0.0)


def test_rows_come_once_and_in_batches_of_like_size() -> None:
    feed = TrainingFeed(task=sorted_task(252), batch=32, seed=0)
    batches = [batch[0] for batch in feed.statistics_batches()]
    assert [len(batch) for batch in batches] == [126, 126]  # two rows alone would be noise
    seen = torch.cat(batches)
    assert torch.equal(seen.sort(0).values, torch.from_numpy(np.sort(feed.task.train.inputs, 0)))


def test_all_processes_and_every_call_see_the_same_rows() -> None:
    task = sorted_task(600)
    first, other = (
        TrainingFeed(task=task, batch=32, seed=3, process=process, processes=2)
        for process in (0, 1)
    )
    for feed in (first, other):
        for own, wanted in zip(feed.statistics_batches(), first.statistics_batches(), strict=True):
            assert torch.equal(own[0], wanted[0])
