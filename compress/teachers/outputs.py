"""Teacher outputs, one stored array per augmented view, computed once.

A row belongs to the training sample at the same position; the view is replayed from
(seed, view, sample id), so it is the very image that the student will see.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.errors import InputError
from compress.tasks.data import Samples, Task
from compress.tasks.views import as_input, view_inputs
from compress.teachers.build import Teacher
from exporters.events import Event

BATCH = 250
SUSPECT_SAMPLES_NAMED = 5


def compute_view(
    teacher: Teacher,
    task: Task,
    *,
    seed: int,
    view: int,
    on_event: Callable[[Event], None] = lambda event: None,
) -> NDArray[np.float32]:
    """Logits of one augmented view of the training split: (samples, classes) float32.

    Raises InputError, naming sample ids, when an output is not finite.
    """
    train = task.train
    outputs = np.empty((len(train), len(task.classes)), dtype=np.float32)
    for start in range(0, len(train), BATCH):
        rows = np.arange(start, min(start + BATCH, len(train)))
        outputs[rows] = _answer(
            teacher, task, train, rows, view_inputs(task, train, rows, seed=seed, view=view)
        )
        done = (start + len(rows)) / len(train)
        on_event(Event(kind="progress", stage="teacher-outputs", progress=done))
    return outputs


def plain_outputs(teacher: Teacher, task: Task, samples: Samples) -> NDArray[np.float32]:
    """Logits without augmentation, as at deployment: (samples, classes) float32."""
    outputs = np.empty((len(samples), len(task.classes)), dtype=np.float32)
    for start in range(0, len(samples), BATCH):
        rows = np.arange(start, min(start + BATCH, len(samples)))
        inputs = as_input(task, torch.from_numpy(np.ascontiguousarray(samples.inputs[rows])))
        outputs[rows] = _answer(teacher, task, samples, rows, inputs)
    return outputs


def check_teacher(teacher: Teacher, task: Task) -> float:
    """Accuracy on validation. Raises InputError when the teacher is no better than chance."""
    scores = plain_outputs(teacher, task, task.validation)
    accuracy = float((scores.argmax(1) == task.validation.labels).mean())
    counts = np.bincount(task.validation.labels, minlength=len(task.classes))
    chance = float(counts.max() / counts.sum())
    if accuracy <= chance:
        raise InputError(
            f"the teacher is right on {100 * accuracy:.1f} % of validation, no better than "
            f"naming the largest class ({100 * chance:.1f} %)",
            where="teacher",
            cure="check the order of its classes, its input scaling and its weights",
        )
    return accuracy


def to_npy(outputs: NDArray[np.float32]) -> bytes:
    """The bytes of a .npy file; the same array gives the same bytes."""
    buffer = io.BytesIO()
    np.save(buffer, outputs, allow_pickle=False)
    return buffer.getvalue()


def _answer(
    teacher: Teacher, task: Task, samples: Samples, rows: NDArray[np.int64], inputs: Tensor
) -> NDArray[np.float32]:
    scores = teacher.answer(inputs)
    if scores.shape != (len(rows), len(task.classes)):
        raise InputError(
            f"the teacher gives outputs of shape {scores.shape[1:]} per sample, the task has "
            f"{len(task.classes)} classes",
            where="teacher",
            cure="use a teacher of the same classes",
        )
    bad = ~np.isfinite(scores).all(axis=1)
    if bad.any():
        ids = ", ".join(str(i) for i in samples.ids[rows[bad]][:SUSPECT_SAMPLES_NAMED])
        raise InputError(
            f"the teacher's output is not finite on {int(bad.sum())} samples of one batch "
            f"(ids {ids})",
            where="teacher",
            cure="look at these samples, or at the teacher's weights",
        )
    return scores
