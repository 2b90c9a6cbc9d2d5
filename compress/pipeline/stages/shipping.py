"""Which file each row of the report stands for, once the choice of precision is made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, read_decision
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.exporting import EXPORT, EXPORT_ON_LABELS, FLOAT_FILE
from compress.pipeline.stages.inside import (
    INSIDE_FILE,
    inside_facts,
    raw_dtype,
    write_inside,
)
from compress.pipeline.stages.quantizing import (
    CHOOSE,
    INT8_FILE,
    QUANTIZE,
    QUANTIZE_ON_LABELS,
    QUANTIZE_TEACHER,
)
from compress.pipeline.stages.teacher import TEACHER, TEACHER_FILE, has_file
from compress.recipe.nodes import NoQuantize
from compress.store.keys import Json
from exporters.atomic import write_json

SHIP = "ship"
SUBJECT_FILES = {
    "teacher": "teacher.onnx",
    "student": "student.onnx",
    "teacher int8": "teacher-int8.onnx",
    "student on labels": "student-on-labels.onnx",
}


def ship_stage(context: Context) -> Stage:
    """Gathers the files of all subjects under their names; what is measured is what is shipped."""
    sources = tuple(_sources(context))
    inside = context.recipe.export.preprocess == "inside"

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {"inside": raw_dtype(context), "versions": versions_of("onnx")} if inside else {}

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        chosen = "float32"
        if not isinstance(context.recipe.quantize, NoQuantize):
            chosen = read_decision(inputs.path(CHOOSE, DECISION_FILE)).chosen
        files = {}
        for subject, by_precision in sources:
            stage, name = by_precision.get("any") or by_precision[chosen]
            target = work / SUBJECT_FILES[subject]
            if inside:
                write_inside(context, inputs.path(stage, name), target)
            else:
                shutil.copyfile(inputs.path(stage, name), target)
            files[target.name] = target
            if inside and subject == "student":
                facts = inside_facts(context, inputs.path(stage, name), target)
                write_json(work / INSIDE_FILE, facts)
                files[INSIDE_FILE] = work / INSIDE_FILE
        return StageResult(files=files)

    needs = {f"{stage}/{name}" for _, table in sources for stage, name in table.values()}
    if not isinstance(context.recipe.quantize, NoQuantize):
        needs.add(f"{CHOOSE}/{DECISION_FILE}")
    return Stage(name=SHIP, version=1, parts=parts, compute=compute, needs=tuple(sorted(needs)))


def subjects(context: Context) -> tuple[str, ...]:
    """The rows of the report, teacher first."""
    return tuple(subject for subject, _ in _sources(context))


def _sources(context: Context) -> Iterator[tuple[str, Mapping[str, tuple[str, str]]]]:
    recipe, controls = context.recipe, context.controls
    quantized = not isinstance(recipe.quantize, NoQuantize)
    taught = has_file(context)
    if taught:
        yield "teacher", {"any": (TEACHER, TEACHER_FILE)}
    student = {"float32": (EXPORT, FLOAT_FILE)}
    labels = {"float32": (EXPORT_ON_LABELS, FLOAT_FILE)}
    if quantized:
        student["int8"] = (QUANTIZE, INT8_FILE)
        labels["int8"] = (QUANTIZE_ON_LABELS, INT8_FILE)
    yield "student", student
    if controls.teacher_quantized and quantized and taught:
        yield "teacher int8", {"any": (QUANTIZE_TEACHER, INT8_FILE)}
    if controls.labels_only:
        yield "student on labels", labels
