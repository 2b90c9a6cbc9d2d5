"""A wider teacher's embeddings in the student's width: their principal axes, fixed for a training.

Cosines and dot products are what embeddings are compared by, so nothing is centred: of all
projections to that width this one keeps the most of the dot products (Eckart and Young, 1936).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from compress.distill.evaluate import evaluating, moved
from compress.distill.feed import Rows
from compress.distill.teaching import OnlineTeacher
from compress.errors import InputError
from compress.metrics.fidelity import spread_rows
from compress.tasks.data import Task
from compress.tasks.views import Inputs, as_inputs

SAMPLES = 20_000  # stored outputs that the axes are made of, at most
ASKED = 2_000  # samples that a teacher in the loop is asked for
_BATCH = 250


def teacher_axes(
    student: nn.Module,
    task: Task,
    *,
    outputs: Sequence[Rows] | None = None,
    teacher: OnlineTeacher | None = None,
) -> Tensor | None:
    """(teacher width, student width) float32, orthonormal columns; None where widths are equal.

    outputs: the stored views of the teacher; else teacher is asked. Raises InputError for a student
    that is wider than its teacher.
    """
    with evaluating(student), torch.random.fork_rng(devices=[]):
        width = student(*as_inputs(task, task.train.inputs[:1])).shape[-1]
    if outputs:
        answers = _stored(outputs[0], len(task.train))
    else:
        assert teacher is not None  # the recipe's check says that embeddings need one
        answers = _asked(teacher, task)
    return principal(answers, int(width))


def teacher_width(
    task: Task, *, outputs: Sequence[Rows] | None = None, teacher: OnlineTeacher | None = None
) -> int | None:
    """How many numbers the teacher gives per sample; None where the averaged student teaches, which
    gives as many as the student. outputs, teacher: as in teacher_axes."""
    if outputs:
        return int(np.asarray(outputs[0][np.arange(1)]).shape[-1])
    if teacher is None:
        return None
    return int(teacher(_there(teacher, as_inputs(task, task.train.inputs[:1]))).scores.shape[-1])


def principal(embeddings: Tensor, width: int) -> Tensor | None:
    """The axes of some (n, teacher width) embeddings; the largest entry of each is positive."""
    wide = embeddings.shape[1]
    if wide == width:
        return None
    if wide < width:
        raise InputError(
            f"the student gives {width} numbers and the teacher {wide}: PCA only narrows",
            where="distill.loss.project",
            cure="write `project: learned` or `form: similarity-kl`, which fit any two widths",
        )
    values = embeddings.double()
    _, axes = torch.linalg.eigh(values.T @ values)
    chosen = axes.flip(1)[:, :width]
    signs = chosen.gather(0, chosen.abs().argmax(0, keepdim=True)).sign()
    found: Tensor = (chosen * signs).float()
    return found


def _there(teacher: OnlineTeacher, inputs: Inputs) -> Inputs:
    """The inputs where the teacher's weights are."""
    weight = None if teacher.network is None else next(teacher.network.parameters(), None)
    return inputs if weight is None else moved(inputs, weight.device)


def _stored(view: Rows, count: int) -> Tensor:
    return torch.from_numpy(np.asarray(view[spread_rows(count, SAMPLES)]))


def _asked(teacher: OnlineTeacher, task: Task) -> Tensor:
    rows = spread_rows(len(task.train), ASKED)
    parts = [
        teacher(_there(teacher, as_inputs(task, task.train.inputs[rows[at : at + _BATCH]]))).scores
        for at in range(0, len(rows), _BATCH)
    ]
    return torch.cat(parts).float().cpu()
