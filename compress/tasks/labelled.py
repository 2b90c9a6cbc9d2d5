"""Few labels: the training samples that keep theirs; the others are taught by the teacher alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.tasks.counter import uniform
from compress.tasks.data import Samples, Task
from compress.tasks.frames import real_frames
from exporters.atomic import sha256_bytes

NO_LABEL = -100  # what losses take for a sample without a label
_DRAW = 2**31 + 7  # numbers the draw of labels, apart from split, views and calibration


def hide_labels(task: Task, labelled: int, *, seed: int) -> Task:
    """The task with `labelled` training labels, drawn by hash of seed and id; -100 elsewhere.

    InputError where there are not that many, or a class is left without any.
    """
    train = task.train
    if labelled > len(train):
        raise InputError(
            f"{labelled:,} labels are asked for, and {len(train):,} training samples are there",
            where="task.labelled",
            cure="lower it, or leave it out",
        )
    draw = uniform(seed, _DRAW, train.ids, draws=1)[:, 0]
    kept = np.argsort(draw, kind="stable")[:labelled]
    labels = np.full_like(train.labels, NO_LABEL)
    labels[kept] = train.labels[kept]
    absent = [
        name
        for index, name in enumerate(task.classes)
        if (train.labels == index).any() and not (labels == index).any()
    ]
    if absent:
        raise InputError(
            f"{labelled:,} labels leave none of {absent[0]!a}",
            where="task.labelled",
            cure="raise it",
        )
    digest = sha256_bytes(f"{task.fingerprint} {labelled} {seed}".encode())
    hidden = replace(train, labels=labels)
    note = (
        f"{labelled:,} of {len(train):,} training samples keep their labels; the teacher alone "
        f"labels the others, and a training without it sees those {labelled:,} alone."
    )
    return replace(task, train=hidden, fingerprint=digest, notes=(*task.notes, note))


def frame_labels(task: Task, samples: Samples, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The labels of the frames of some streams, one behind the other; -100 where none is known."""
    counts = task.lengths(samples.inputs[rows])
    assert counts is not None
    named: NDArray[np.int64] = samples.labels[rows][:, : int(counts.max())]
    return real_frames(named, counts).astype(np.int64)


def labelled_rows(samples: Samples) -> NDArray[np.int64]:
    """The rows that have a label; of streams those that have a labelled frame."""
    known = samples.labels != NO_LABEL
    return np.flatnonzero(known if known.ndim == 1 else known.any(axis=1))
