"""The teacher: checked against the task, exported for measuring, and its outputs stored by view."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from compress.distill.objective import needs_teacher
from compress.errors import ExportError
from compress.pipeline.context import Context, versions_of
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.recipe.nodes import TeacherNode
from compress.store.keys import Json
from compress.teachers.build import build_teacher, onnx_teacher, teacher_digest
from compress.teachers.outputs import check_teacher, compute_view, to_npy
from exporters.atomic import write_bytes, write_json
from exporters.events import Event
from exporters.export import export
from exporters.parity import check_parity

TEACHER = "teacher"
OUTPUTS = "teacher-outputs"


def teacher_stages(context: Context) -> tuple[Stage, ...]:
    """Nothing without a teacher; its outputs only where the loss reads them."""
    node = context.recipe.teacher
    if node is None:
        return ()
    stages = [_teacher(context, node)]
    if needs_teacher(context.recipe.distill.loss):
        views = context.recipe.distill.views
        stages += [_view(context, node, view) for view in range(views)]
    return tuple(stages)


def view_names(context: Context) -> tuple[str, ...]:
    """The stages that hold stored outputs, in order of their view."""
    recipe = context.recipe
    if recipe.teacher is None or not needs_teacher(recipe.distill.loss):
        return ()
    return tuple(f"{OUTPUTS}-{view}" for view in range(recipe.distill.views))


def _teacher(context: Context, node: TeacherNode) -> Stage:
    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "teacher": teacher_digest(node, folder=context.folder),
            "data": context.task.fingerprint,
            "export": context.recipe.export.model_dump(mode="json"),
            "versions": versions_of("torch", "onnx", "onnxscript", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        task = context.task
        teacher = build_teacher(node, folder=context.folder, threads=context.threads)
        accuracy = check_teacher(teacher, task)
        path = work / "teacher.onnx"
        if teacher.onnx_path is not None:
            shutil.copyfile(teacher.onnx_path, path)
        else:
            assert teacher.module is not None
            rows = task.validation.inputs[: context.recipe.export.samples]
            samples = task.prepare(rows)
            settings = context.recipe.export
            artifact = export(
                teacher.module, torch.from_numpy(samples[:2]), path=path, opset=settings.opset
            )
            parity = check_parity(
                lambda batch: teacher.answer(torch.from_numpy(batch)),
                artifact,
                inputs=samples,
                atol=settings.atol,
                rtol=settings.rtol,
            )
            if not parity.passed:
                raise ExportError(
                    f"the teacher's ONNX file differs from its module by {parity.max_abs_diff:.3g}",
                    where="export",
                    cure="raise `export.atol` if that is acceptable",
                )
        write_json(work / "facts.json", {"validation_accuracy": accuracy})
        on_event(Event("note", TEACHER, f"right on {100 * accuracy:.2f} % of validation"))
        return StageResult(files={"teacher.onnx": path, "facts.json": work / "facts.json"})

    return Stage(name=TEACHER, version=1, parts=parts, compute=compute)


def _view(context: Context, node: TeacherNode, view: int) -> Stage:
    name = f"{OUTPUTS}-{view}"

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "teacher": teacher_digest(node, folder=context.folder),
            "data": context.task.fingerprint,
            "augment": context.recipe.task.augment.model_dump(mode="json"),
            "seed": context.recipe.seed,
            "view": view,
            "versions": versions_of("torch", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        # The file that is measured also teaches: its parity with the module is checked by then,
        # and onnxruntime answers 1.3x as fast as torch at the best batch of each (2 cores).
        teacher = onnx_teacher(
            inputs.path(TEACHER, "teacher.onnx"),
            digest=teacher_digest(node, folder=context.folder),
            threads=context.threads,
        )

        def tell(event: Event) -> None:
            on_event(replace(event, stage=name))

        outputs = compute_view(
            teacher, context.task, seed=context.recipe.seed, view=view, on_event=tell
        )
        path = work / "outputs.npy"
        write_bytes(path, to_npy(outputs))
        return StageResult(files={"outputs.npy": path})

    # The teacher stage also refuses a teacher that is no better than chance.
    return Stage(
        name=name, version=2, parts=parts, compute=compute, needs=(f"{TEACHER}/teacher.onnx",)
    )
