"""Who answers for the store: the file that is measured, or on a GPU whatever runs there."""

from __future__ import annotations

from pathlib import Path

from compress.pipeline.context import Context
from compress.recipe.nodes import PythonTeacher, TeacherNode, TorchTeacher, TransformersTeacher
from compress.teachers.build import build_teacher, is_black_box, onnx_teacher, teacher_digest
from compress.teachers.teacher import Teacher
from exporters.session import runs_on

_MODULES = TorchTeacher | PythonTeacher | TransformersTeacher


def answering_teacher(
    context: Context, node: TeacherNode, file: Path | None, *, device: str = "cpu"
) -> Teacher:
    """The teacher of one node. file: its ONNX form, None for a black box and before it is written.

    device: where it may answer. A torch module goes there; an ONNX file does where onnxruntime has
    that device, and answers on the CPU otherwise: the same numbers, later.
    """
    task, folder = context.task, context.folder
    there = device if runs_on(device) else "cpu"
    moves = device != "cpu" and isinstance(node, _MODULES) and not is_black_box(node, folder=folder)
    if file is not None and not moves:
        # The file that is measured also teaches: its parity with the module is checked by then,
        # and onnxruntime answers 1.3x as fast as torch at the best batch of each (2 cores).
        digest = teacher_digest(node, folder=folder)
        return onnx_teacher(
            file, digest=digest, threads=context.threads, device=there, input_names=task.input_names
        )
    teacher = build_teacher(
        node,
        folder=folder,
        threads=context.threads,
        classes=task.width,
        device=there,
        input_names=task.input_names,
    )
    if moves and teacher.module is not None:
        teacher.module.to(device)
    return teacher
