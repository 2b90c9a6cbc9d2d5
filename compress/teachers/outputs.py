"""Teacher outputs, one stored array per augmented view, computed once.

A row belongs to the training sample at the same position, of streams a row to each frame, stream
after stream; the view is replayed from
(seed, view, sample id), mixup partner and share included, so it is the very image that the student
will see.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.tasks.batches import row_batches
from compress.tasks.data import Samples, Task
from compress.tasks.frames import frames_of, real_frames, stream_offsets
from compress.tasks.mixup import mixed_view
from compress.tasks.views import as_inputs
from compress.teachers.several import mean_of
from compress.teachers.stored import Form, StoredOutputs, write_outputs
from compress.teachers.teacher import Teacher
from exporters.events import Event

BATCH = 250
SUSPECT_SAMPLES_NAMED = 5
VERIFIED_ROWS = 64


def store_view(
    teacher: Teacher,
    task: Task,
    *,
    path: Path,
    seed: int,
    view: int,
    alpha: float | None = None,
    form: Form = Form(),  # noqa: B008  # frozen
    about: str = "",
    on_event: Callable[[Event], None] = lambda event: None,
) -> None:
    """Write the logits of one augmented view of the training split, in memory that stays constant.

    alpha: of mixup; None mixes nothing. about: what a killed computation must share with this call
    to be gone on with. Raises InputError, naming sample ids, when an output is not finite.
    """
    count, done = len(task.train), 0
    offsets = _offsets(task, task.train)

    def answer(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        nonlocal done
        scores = view_answers(teacher, task, rows, seed=seed, view=view, alpha=alpha)
        done = min(count, done + len(rows))
        on_event(Event(kind="progress", stage="teacher-outputs", progress=done / count))
        return scores

    write_outputs(
        path,
        row_batches(task, task.train, BATCH),
        answer,
        samples=count if offsets is None else int(offsets[-1]),
        classes=_width(teacher, task),
        form=form,
        about=about,
        offsets=offsets,
    )


def view_answers(
    teacher: Teacher,
    task: Task,
    rows: NDArray[np.int64],
    *,
    seed: int,
    view: int,
    alpha: float | None = None,
) -> NDArray[np.float32]:
    """Logits of one view of some training rows: (rows, classes); of streams (frames of all rows,
    classes). Raises as store_view does."""
    train = task.train
    if teacher.members:
        return mean_of(
            [
                view_answers(member, task, rows, seed=seed, view=view, alpha=alpha)
                for member, _ in teacher.members
            ],
            [weight for _, weight in teacher.members],
        )
    if teacher.by_id is not None:
        scores = teacher.by_id(train.ids[rows])
    else:
        scores = teacher.answer(*mixed_view(task, train, rows, seed=seed, view=view, alpha=alpha))
    return _checked(scores, task, train, rows)


def differing_rows(
    stored: StoredOutputs,
    answer: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    task: Task,
    *,
    form: Form = Form(),  # noqa: B008  # frozen
    rows: NDArray[np.int64] | None = None,
    tolerance: float = 2e-3,
) -> NDArray[np.int64]:
    """The ids, of 64 random rows, whose stored logits are not what the teacher answers now.

    answer(rows) -> logits as view_answers gives them. Compared at the top of the short form, where
    a row has one; tolerance: of max(1, |logit|), and float16 adds its own.
    """
    if rows is None:
        chosen = np.random.default_rng().permutation(len(task.train))[:VERIFIED_ROWS]
        rows = np.sort(chosen)
    now = answer(rows)
    then = stored[rows]
    counts = task.lengths(task.train.inputs[rows]) if task.frames else None
    if counts is not None:
        then, rows = real_frames(then, counts), np.repeat(rows, counts)
    if form.k is not None:
        top = np.argpartition(-now, form.k - 1, axis=1)[:, : form.k]
        now, then = np.take_along_axis(now, top, axis=1), np.take_along_axis(then, top, axis=1)
    room = tolerance * np.maximum(1.0, np.abs(now))
    if form.dtype == "float16":
        room = room + 2.0**-11 * (now.max(axis=1, keepdims=True) - now)
    different = (np.abs(now - then) > room).any(axis=1)
    ids: NDArray[np.int64] = task.train.ids[np.unique(rows[different])]
    return ids


def plain_outputs(teacher: Teacher, task: Task, samples: Samples) -> NDArray[np.float32]:
    """Logits or embeddings without augmentation, as at deployment: (samples, width) float32, of
    streams (frames of all, width)."""
    offsets = _offsets(task, samples)
    count = len(samples) if offsets is None else int(offsets[-1])
    outputs = np.empty((count, _width(teacher, task)), dtype=np.float32)
    for rows in row_batches(task, samples, BATCH):
        places = rows if offsets is None else frames_of(offsets, rows)
        outputs[places] = plain_answers(teacher, task, samples, rows)
    return outputs


def plain_answers(
    teacher: Teacher, task: Task, samples: Samples, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """As plain_outputs, of some rows."""
    if teacher.members:
        return mean_of(
            [plain_answers(member, task, samples, rows) for member, _ in teacher.members],
            [weight for _, weight in teacher.members],
        )
    if teacher.by_id is not None:
        scores = teacher.by_id(samples.ids[rows])
    else:
        scores = teacher.answer(*as_inputs(task, samples.inputs[rows]))
    return _checked(scores, task, samples, rows)


def _offsets(task: Task, samples: Samples) -> NDArray[np.int64] | None:
    """Where each stream begins among all frames; None where samples are no streams."""
    counts = task.lengths(samples.inputs) if task.frames else None
    return None if counts is None else stream_offsets(counts)


def _width(teacher: Teacher, task: Task) -> int:
    """Numbers per sample: the task's classes, or what the teacher gives of embeddings."""
    if task.width is not None:
        return task.width
    return int(plain_answers(teacher, task, task.train, np.arange(1)).shape[1])


def _checked(
    scores: NDArray[np.float32], task: Task, samples: Samples, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Scores as they are, of streams without padding. InputError as store_view."""
    if task.frames:
        counts = task.lengths(samples.inputs[rows])
        assert counts is not None
        due = (len(rows), int(counts.max()))
        if scores.ndim != 3 or scores.shape[:2] != due:
            raise InputError(
                f"the teacher gives outputs of shape {scores.shape} for {due[0]} streams of at "
                f"most {due[1]} frames",
                where="teacher",
                cure="return (batch, frames, classes) logits",
            )
        scores, rows = real_frames(scores, counts), np.repeat(rows, counts)
    if task.width is None and (scores.ndim != 2 or len(scores) != len(rows)):
        raise InputError(
            f"the teacher gives outputs of shape {scores.shape[1:]} per sample, an embedding has "
            "one axis",
            where="teacher",
            cure="pool over tokens or places inside the teacher",
        )
    if task.width is not None and scores.shape != (len(rows), task.width):
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
