"""The untrained student, tried before anything long: its outputs and its ONNX form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from compress.pipeline.context import Context, versions_of
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.store.keys import Json
from compress.students.build import student_code
from compress.students.check import checked_student
from compress.students.counts import count_macs, count_parameters
from exporters.atomic import write_json
from exporters.export import export

STUDENT = "student"
FACTS = "facts.json"


def student_stage(context: Context) -> Stage:
    """First of all stages, so that a student that can't be trained or exported costs seconds."""
    recipe = context.recipe

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "student": recipe.student.model_dump(mode="json"),
            "code": student_code(recipe.student, folder=context.folder),
            "data": context.task.fingerprint,
            "opset": recipe.export.opset,
            "versions": versions_of("torch", "onnx", "onnxscript"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        module, samples = checked_student(
            recipe.student, context.task, folder=context.folder, seed=recipe.seed
        )
        export(
            module,
            samples,
            path=work / "untrained.onnx",
            opset=recipe.export.opset,
            input_names=context.task.input_names,
            open_axes=context.task.open_axes,
        )
        facts = {"parameters": count_parameters(module), "macs": count_macs(module, *samples)}
        write_json(work / FACTS, facts)
        return StageResult(files={FACTS: work / FACTS})

    return Stage(name=STUDENT, version=1, parts=parts, compute=compute)
