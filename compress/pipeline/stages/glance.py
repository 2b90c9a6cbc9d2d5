"""What the teacher's answers to one view will take, from a look at a few samples."""

from __future__ import annotations

import time

import numpy as np

from compress.pipeline.context import Context
from compress.pipeline.stage import Inputs
from compress.pipeline.stages.answering import answering_teacher
from compress.pipeline.stages.teacher import TEACHER, TEACHER_FILE, has_file, mixup_alpha
from compress.recipe.nodes import OutputsTeacher, SeveralTeacher
from compress.teachers.outputs import view_answers

GLANCED = 64  # samples; as many again come first and are not timed


def view_seconds(context: Context, inputs: Inputs) -> float | None:
    """Seconds of one stored view; None where it is not the teacher's speed that decides them.

    inputs: of a stage that needs the teacher's file, where there is one.
    """
    node, task = context.recipe.teacher, context.task
    if node is None or isinstance(node, SeveralTeacher | OutputsTeacher):
        return None
    file = inputs.path(TEACHER, TEACHER_FILE) if has_file(context) else None
    device = context.recipe.distill.device
    teacher = answering_teacher(context, node, file, device=device)
    count = min(GLANCED, len(task.train))
    # Evenly spread: texts and streams differ in length, and folders are sorted.
    rows = np.linspace(0, len(task.train) - 1, count).astype(np.int64)
    began = 0.0
    for _ in range(2):
        began = time.monotonic()
        view_answers(
            teacher, task, rows, seed=context.recipe.seed, view=0, alpha=mixup_alpha(context)
        )
    return (time.monotonic() - began) * len(task.train) / count
