"""What decides which methods are raced, as a recipe and its teacher have it."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from compress.pipeline.context import Context
from compress.pipeline.stage import Inputs
from compress.pipeline.stages.student import FACTS as STUDENT_FACTS
from compress.pipeline.stages.student import STUDENT
from compress.pipeline.stages.teacher import FACTS as TEACHER_FACTS
from compress.pipeline.stages.teacher import TEACHER, TEACHER_FILE, has_file, output_form
from compress.recipe.nodes import OutputsTeacher, SeveralTeacher
from compress.search.candidates import Facts, Given
from compress.tasks.labelled import labelled_rows
from exporters.macs import count_macs

_GIVEN: Mapping[str, Given] = {"logits": "logits", "top-k": "top-k", "labels": "hard labels"}


def facts_of(context: Context, inputs: Inputs) -> Facts:
    """From the facts of the stages `student` and `teacher`, and the teacher's file."""
    student = inputs.json(STUDENT, STUDENT_FACTS)["macs"]
    gap = None
    if has_file(context):
        teacher = count_macs(onnx.load(inputs.path(TEACHER, TEACHER_FILE)))
        gap = teacher / student if teacher and student else None
    given = _GIVEN[inputs.json(TEACHER, TEACHER_FACTS)["gives"]]
    node, task = context.recipe.distill, context.task
    if given == "logits" and node.reuse_teacher_outputs and output_form(context).k is not None:
        given = "top-k"  # of all that it gives, what is stored is what teaches
    return Facts(
        given=given,
        classes=len(task.classes),
        gap=gap,
        labelled=len(labelled_rows(task.train)) / len(task.train),
        mixup=node.mixup is not None,
        unmixable=_unmixable(context),
        in_parts=node.accumulate > 1,
    )


def _unmixable(context: Context) -> str | None:
    """Why inputs or their answers can't be mixed."""
    if context.task.open_axes:
        return "it mixes inputs, and tokens can't be mixed"
    node = context.recipe.teacher
    of = node.of if isinstance(node, SeveralTeacher) else (node,)
    if any(isinstance(one, OutputsTeacher) for one in of):
        return "it mixes inputs, and stored outputs belong to the samples as they are"
    return None
