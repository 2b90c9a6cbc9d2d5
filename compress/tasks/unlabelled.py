"""Embeddings: samples without labels, whose networks answer with a direction and not a class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compress.errors import InputError
from compress.tasks.data import Samples, Task
from compress.tasks.labelled import NO_LABEL
from exporters.atomic import sha256_bytes

FEWEST_VALIDATION = 50  # samples whose pairs every epoch is judged on


def as_embeddings(task: Task) -> Task:
    """The task without classes and labels. InputError where validation is too small to judge on."""
    count = len(task.validation)
    if count < FEWEST_VALIDATION:
        raise InputError(
            f"{count} validation samples have too few pairs to judge embeddings on",
            where="task.validation",
            cure=f"hold out {FEWEST_VALIDATION} or more",
        )
    test = task.test
    return replace(
        task,
        classes=(),
        outputs="embeddings",
        fingerprint=sha256_bytes(f"{task.fingerprint} embeddings".encode()),
        train=_unlabelled(task.train),
        validation=_unlabelled(task.validation),
        test=lambda: _unlabelled(test()),
        notes=tuple(note for note in task.notes if " sample is of class " not in note),
    )


def _unlabelled(samples: Samples) -> Samples:
    return replace(samples, labels=np.full_like(samples.labels, NO_LABEL))
