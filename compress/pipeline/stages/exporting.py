"""The trained student as one ONNX file that answers as the torch module does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from compress.errors import ExportError
from compress.pipeline.context import Context, versions_of
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.training import TRAIN, TRAIN_ON_LABELS
from compress.store.keys import Json
from compress.students.build import build_student, student_code
from compress.tasks.views import as_inputs
from exporters.atomic import write_json
from exporters.export import export
from exporters.parity import check_parity
from exporters.weights import load_into, load_weights

EXPORT = "export"
EXPORT_ON_LABELS = "export-on-labels"
FLOAT_FILE = "student.float32.onnx"


def export_stages(context: Context) -> tuple[Stage, ...]:
    """The student's file, and the control's where it is wanted."""
    stages = [export_stage(context, EXPORT, TRAIN)]
    if context.controls.labels_only:
        stages.append(export_stage(context, EXPORT_ON_LABELS, TRAIN_ON_LABELS))
    return tuple(stages)


def export_stage(context: Context, name: str, trained: str) -> Stage:
    """The file of what the stage `trained` made, under a name of its own."""
    recipe = context.recipe
    settings = recipe.export

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "student": recipe.student.model_dump(mode="json"),
            "code": student_code(recipe.student, folder=context.folder),
            "data": context.task.fingerprint,
            "export": settings.model_dump(mode="json", exclude={"preprocess"}),
            "versions": versions_of("torch", "onnx", "onnxscript", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        task = context.task
        module = build_student(
            recipe.student, folder=context.folder, seed=recipe.seed, task=context.task
        )
        load_into(module, load_weights(inputs.path(trained, "weights.safetensors")))
        module.eval()
        samples = task.validation.inputs[: settings.samples]
        path = work / FLOAT_FILE
        artifact = export(
            module,
            as_inputs(task, samples[:2]),
            path=path,
            opset=settings.opset,
            input_names=task.input_names,
            open_axes=task.open_axes,
        )

        def reference(rows: NDArray[np.generic]) -> NDArray[np.float32]:
            with torch.no_grad():
                scores: NDArray[np.float32] = module(*as_inputs(task, rows)).numpy()
            return scores

        parity = check_parity(
            reference,
            artifact,
            inputs=samples,
            collate=task.collate,
            atol=settings.atol,
            rtol=settings.rtol,
        )
        if not parity.passed:
            raise ExportError(
                f"the ONNX file differs from the torch student by up to {parity.max_abs_diff:.3g}, "
                f"and agrees on the class of {100 * parity.top1_agreement:.2f} % of "
                f"{parity.samples} samples",
                where="export",
                cure="look for operators that differ between torch and onnxruntime, or raise "
                "`export.atol`",
            )
        facts = {
            "opset": artifact.opset,
            "ir_version": artifact.ir_version,
            "parity": asdict(parity),
        }
        write_json(work / "export.json", facts)
        return StageResult(files={FLOAT_FILE: path, "export.json": work / "export.json"})

    return Stage(
        name=name,
        version=1,
        parts=parts,
        compute=compute,
        needs=(f"{trained}/weights.safetensors",),
    )
