"""Why a teacher may be no better than chance: what usually goes wrong, tried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.errors import DistilError
from compress.tasks.data import Samples, Task
from compress.tasks.views import Inputs, as_inputs
from compress.teachers.teacher import Teacher

TRIED = 500  # samples
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """what: an end for the message, or ""; cure."""

    what: str
    cure: str


def likely_cause(teacher: Teacher, task: Task, samples: Samples) -> Cause:
    """The change to classes or inputs that makes the teacher right most often, if one helps."""
    if task.frames:
        return _unknown(stored=False)
    rows = np.linspace(0, len(samples) - 1, min(TRIED, len(samples))).astype(np.int64)
    labels = samples.labels[rows]
    if teacher.by_id is not None:
        predicted = teacher.by_id(samples.ids[rows]).argmax(axis=1)
        return _classes(predicted, labels, task) or _unknown(stored=True)
    inputs = as_inputs(task, samples.inputs[rows])
    counts = np.bincount(labels, minlength=len(task.classes))
    # As good as guessing among a few rows can look, and half way from there to perfect.
    worth = float(counts.max() / len(rows)) * 0.5 + 0.5
    found = _classes(teacher.answer(*inputs).argmax(axis=1), labels, task)
    if found is not None:
        return found
    best = (0.0, _unknown(stored=False))
    for cause, change in _changes(task, inputs):
        accuracy = _accuracy(teacher, change, inputs, labels)
        if accuracy > max(best[0], worth):
            best = (accuracy, cause)
    return best[1]


def _unknown(*, stored: bool) -> Cause:
    if stored:
        return Cause(what="", cure="check the order of its classes and its sample ids")
    return Cause(
        what="", cure="check the order of its classes, its input scaling, layout and weights"
    )


def _classes(predicted: NDArray[np.int64], labels: NDArray[np.int64], task: Task) -> Cause | None:
    """Another order of classes: each of the teacher's is mostly one of ours, and all differ."""
    size = len(task.classes)
    table = np.bincount(predicted * size + labels, minlength=size * size).reshape(size, size)
    seen = np.flatnonzero(table.sum(axis=1))
    ours = table[seen].argmax(axis=1)
    right = table[seen, ours].sum() / len(labels)
    if len(np.unique(ours)) < len(seen) or len(seen) < 2 or right < 0.6:
        return None
    moved = next(
        (int(theirs), int(own)) for theirs, own in zip(seen, ours, strict=True) if theirs != own
    ) if (seen != ours).any() else None  # fmt: skip
    if moved is None:
        return None
    return Cause(
        what=f": its class {moved[0]} is mostly {task.classes[moved[1]]!r}, which is class "
        f"{moved[1]} of the task",
        cure="put its classes in the order of the task",
    )


def _changes(task: Task, inputs: Inputs) -> Iterator[tuple[Cause, Callable[[Tensor], Tensor]]]:
    if task.padding is not None or len(inputs) != 1:
        return
    first = inputs[0]
    scale = task.scale

    def cause(what: str, cure: str) -> Cause:
        return Cause(what=f": with {what} it is right far more often", cure=cure)

    if scale != 1.0:
        yield (
            cause("unscaled inputs", "put the division into the teacher, or set the task's scale"),
            lambda x: x / scale,
        )
    yield (
        cause("inputs in -1 .. 1", "put (x - 0.5) / 0.5 into the teacher"),
        lambda x: x * 2.0 - 1.0,
    )
    mean, std = first.mean(), first.std()
    yield (
        cause(
            f"inputs normalised as (x - {float(mean):.3g}) / {float(std):.3g}",
            "put its normalisation into the teacher",
        ),
        lambda x: (x - mean) / std,
    )
    yield cause("inverted inputs", "put 1 - x into the teacher"), lambda x: 1.0 - x
    if first.ndim == 4:
        if first.shape[1] == 3:
            centre = torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1)
            spread = torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1)
            yield (
                cause("ImageNet's normalisation", "put that normalisation into the teacher"),
                lambda x: (x - centre) / spread,
            )
            yield cause("channels in BGR", "swap the channels in the teacher"), lambda x: x.flip(1)
        if first.shape[2] == first.shape[3]:
            yield (
                cause("rows and columns swapped", "transpose the images in the teacher"),
                lambda x: x.transpose(2, 3).contiguous(),
            )
        if len(set(first.shape[1:])) == 1:
            yield (
                cause("channels last", "write `layout: nhwc`"),
                lambda x: x.permute(0, 2, 3, 1).contiguous(),
            )


def _accuracy(
    teacher: Teacher,
    change: Callable[[Tensor], Tensor],
    inputs: Inputs,
    labels: NDArray[np.int64],
) -> float:
    try:
        scores = teacher.answer(change(inputs[0]))
    except (DistilError, RuntimeError, ValueError):
        return 0.0  # a change that the model can't take explains nothing
    return float((scores.argmax(axis=1) == labels).mean())
