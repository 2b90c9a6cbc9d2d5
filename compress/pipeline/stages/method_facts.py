"""What decides which methods are raced, as a recipe and its teacher have it."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from compress.distill.layer_match import deepest_alike
from compress.pipeline.context import Context
from compress.pipeline.stage import Inputs
from compress.pipeline.stages.student import FACTS as STUDENT_FACTS
from compress.pipeline.stages.student import STUDENT
from compress.pipeline.stages.teacher import FACTS as TEACHER_FACTS
from compress.pipeline.stages.teacher import TEACHER, TEACHER_FILE, has_file, output_form
from compress.recipe.nodes import (
    OutputsTeacher,
    PythonTeacher,
    SeveralTeacher,
    TorchTeacher,
    TransformersTeacher,
)
from compress.search.candidates import Facts, Given
from compress.students.build import build_student
from compress.tasks.labelled import labelled_rows
from compress.tasks.views import as_inputs
from compress.teachers.build import build_teacher
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
    layers, unlike = _layers(context)
    return Facts(
        given=given,
        classes=len(task.classes),
        gap=gap,
        labelled=len(labelled_rows(task.train)) / len(task.train),
        mixup=node.mixup is not None,
        unmixable=_unmixable(context),
        in_parts=node.accumulate > 1 or node.processes > 1,
        layers=layers,
        unlike=unlike,
    )


def _layers(context: Context) -> tuple[tuple[str, str] | None, str]:
    """The layers of student and teacher that a loss can compare; else None and why not."""
    recipe, task = context.recipe, context.task
    if not isinstance(recipe.teacher, TorchTeacher | PythonTeacher | TransformersTeacher):
        return None, "the teacher shows no layers"
    teacher = build_teacher(
        recipe.teacher, folder=context.folder, threads=context.threads, classes=task.width
    ).module
    if teacher is None:
        return None, "the teacher shows no layers"
    student = build_student(recipe.student, folder=context.folder, seed=recipe.seed, task=task)
    found = deepest_alike(student, teacher, as_inputs(task, task.train.inputs[:2]))
    if found is None:
        return None, "no layer of the student has as many places as one of the teacher"
    return found, ""


def _unmixable(context: Context) -> str | None:
    """Why inputs or their answers can't be mixed."""
    if context.task.open_axes:
        return "it mixes inputs, and tokens can't be mixed"
    node = context.recipe.teacher
    of = node.of if isinstance(node, SeveralTeacher) else (node,)
    if any(isinstance(one, OutputsTeacher) for one in of):
        return "it mixes inputs, and stored outputs belong to the samples as they are"
    return None
