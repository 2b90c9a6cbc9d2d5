"""A task with few labels: which are kept, what sees the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compress.distill.feed import TrainingFeed
from compress.errors import InputError
from compress.tasks.assemble import Parts, assemble
from compress.tasks.augment import Augmentation
from compress.tasks.batches import epoch_rows
from compress.tasks.data import Task
from compress.tasks.labelled import NO_LABEL, hide_labels, labelled_rows


@pytest.fixture(scope="module")
def task() -> Task:
    generator = np.random.default_rng(0)
    train = generator.random((200, 1, 6, 6), dtype=np.float32)
    test = generator.random((20, 1, 6, 6), dtype=np.float32)
    parts = Parts(
        name="toy",
        where="toy",
        train=(train, np.arange(200) % 4),
        test=(test, np.arange(20) % 4),
        validation_count=40,
        classes=("a", "b", "c", "d"),
    )
    return assemble(parts, augmentation=Augmentation(), seed=0)


def test_as_many_labels_are_kept_as_asked_for_and_the_same_at_every_call(task: Task) -> None:
    few = hide_labels(task, 30, seed=1)
    assert len(labelled_rows(few.train)) == 30
    assert (few.train.labels == NO_LABEL).sum() == 130
    kept = labelled_rows(few.train)
    np.testing.assert_array_equal(few.train.labels[kept], task.train.labels[kept])
    np.testing.assert_array_equal(hide_labels(task, 30, seed=1).train.labels, few.train.labels)
    assert (hide_labels(task, 30, seed=2).train.labels != few.train.labels).any()


def test_more_labels_hold_the_fewer_ones(task: Task) -> None:
    few, more = (set(labelled_rows(hide_labels(task, n, seed=1).train)) for n in (30, 60))
    assert few < more


def test_the_fingerprint_tells_and_validation_stays(task: Task) -> None:
    few = hide_labels(task, 30, seed=1)
    assert len({task.fingerprint, few.fingerprint, hide_labels(task, 31, seed=1).fingerprint}) == 3
    np.testing.assert_array_equal(few.validation.labels, task.validation.labels)


def test_an_epoch_of_the_labelled_is_as_long_and_takes_each_about_as_often(task: Task) -> None:
    few = hide_labels(task, 30, seed=1)
    rows = epoch_rows(few, 16, seed=0, epoch=0, labelled_only=True)
    assert len(rows) == 160
    counts = np.bincount(rows, minlength=160)[labelled_rows(few.train)]
    assert set(counts) == {5, 6}
    assert counts.sum() == 160
    every = epoch_rows(few, 16, seed=0, epoch=0)
    assert sorted(every) == list(range(160))


def test_a_training_without_a_teacher_sees_labelled_samples_alone(task: Task) -> None:
    few = hide_labels(task, 30, seed=1)
    feed = TrainingFeed(task=few, batch=16, seed=0, labelled_only=True)
    assert feed.steps_per_epoch == 10
    targets = np.concatenate([batch.target.numpy() for batch in feed.batches(0)])
    assert targets.min() >= 0
    assert sum(len(batch[0]) for batch in feed.statistics_batches()) == 30
    taught = TrainingFeed(task=few, batch=16, seed=0)
    targets = np.concatenate([batch.target.numpy() for batch in taught.batches(0)])
    assert (targets == NO_LABEL).sum() == 130


def test_mixup_without_a_teacher_takes_partners_that_have_a_label(task: Task) -> None:
    few = hide_labels(task, 30, seed=1)
    feed = TrainingFeed(task=few, batch=16, seed=0, labelled_only=True, mixup=1.0)
    for batch in feed.batches(0):
        torch.testing.assert_close(batch.target.sum(dim=1), torch.ones(len(batch.target)))
    taught = TrainingFeed(task=few, batch=16, seed=0, mixup=1.0)
    totals = torch.cat([batch.target.sum(dim=1) for batch in taught.batches(0)])
    assert (totals < 0.99).any()  # there partners come from all samples, as for stored outputs


@pytest.mark.parametrize(("count", "said"), [(161, "161 labels are asked"), (2, "leave none of")])
def test_labels_that_are_not_there_are_refused(task: Task, count: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        hide_labels(task, count, seed=1)
