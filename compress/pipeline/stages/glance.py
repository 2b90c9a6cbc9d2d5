"""What the teacher's answers will take, from a look at a few samples."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from compress.pipeline.context import Context
from compress.pipeline.stage import Inputs
from compress.pipeline.stages.answering import answering_teacher
from compress.pipeline.stages.teacher import (
    TEACHER,
    TEACHER_FILE,
    StoredView,
    has_file,
    mixup_alpha,
)
from compress.recipe.nodes import OutputsTeacher, SeveralTeacher, TeacherNode
from compress.teachers.outputs import view_answers

GLANCED = 64  # samples; as many again come first and are not timed
FEW, SLOW_S = 8, 5.0  # samples that say enough where they take so long


def view_seconds(context: Context, inputs: Inputs) -> float | None:
    """Seconds of one stored view; None where it is not the teacher's speed that decides them.

    inputs: of a stage that needs the teacher's file, where there is one.
    """
    node = context.recipe.teacher
    if node is None or isinstance(node, SeveralTeacher):
        return None
    return _seconds(
        context, node, inputs.path(TEACHER, TEACHER_FILE) if has_file(context) else None
    )


def outputs_seconds(context: Context, views: Sequence[StoredView]) -> float:
    """Seconds of these views, before there is a file of any teacher; of several teachers those of
    each, whose mean takes no time."""
    nodes = {one.teacher: one.node for one in views}
    known = {
        name: (None if isinstance(node, SeveralTeacher) else _seconds(context, node, None)) or 0.0
        for name, node in nodes.items()
    }
    return sum(known[one.teacher] for one in views)


def _seconds(context: Context, node: TeacherNode, file: Path | None) -> float | None:
    """Of one view; None where others have stored the outputs."""
    if isinstance(node, OutputsTeacher):
        return None
    task = context.task
    teacher = answering_teacher(context, node, file, device=context.recipe.distill.device)
    took_s = 0.0
    for most in (FEW, GLANCED, GLANCED):
        count = min(most, len(task.train))
        # Evenly spread: texts and streams differ in length, and folders are sorted.
        rows = np.linspace(0, len(task.train) - 1, count).astype(np.int64)
        began = time.monotonic()
        view_answers(
            teacher, task, rows, seed=context.recipe.seed, view=0, alpha=mixup_alpha(context)
        )
        took_s = (time.monotonic() - began) * len(task.train) / count
        if time.monotonic() - began > SLOW_S:
            break
    return took_s
