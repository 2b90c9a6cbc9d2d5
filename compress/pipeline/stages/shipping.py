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
from compress.quantize.words import stored_as
from compress.recipe.nodes import NoQuantize
from compress.store.keys import Json
from exporters.atomic import write_json

SHIP = "ship"


def ship_stage(context: Context) -> Stage:
    """Gathers the files of all subjects under their names; what is measured is what is shipped."""
    sources = tuple(_sources(context))
    inside = context.recipe.export.preprocess == "inside"

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {"inside": raw_dtype(context), "versions": versions_of("onnx")} if inside else {}

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        chosen = "float"
        if not isinstance(context.recipe.quantize, NoQuantize):
            said = read_decision(inputs.path(CHOOSE, DECISION_FILE)).chosen
            chosen = "float" if said == "float32" else "quantized"
        files = {}
        for subject, by_choice in sources:
            stage, name = by_choice.get("any") or by_choice[chosen]
            target = work / subject_file(subject)
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
    return Stage(name=SHIP, version=2, parts=parts, compute=compute, needs=tuple(sorted(needs)))


def subject_file(subject: str) -> str:
    """The name of its file: "teacher-int8.onnx"."""
    return f"{subject.replace(' ', '-')}.onnx"


def subjects(context: Context) -> tuple[str, ...]:
    """The rows of the report, teacher first."""
    return tuple(subject for subject, _ in _sources(context))


def _sources(context: Context) -> Iterator[tuple[str, Mapping[str, tuple[str, str]]]]:
    recipe, controls = context.recipe, context.controls
    stored = None if isinstance(recipe.quantize, NoQuantize) else stored_as(recipe.quantize)
    taught = has_file(context)
    if taught:
        yield "teacher", {"any": (TEACHER, TEACHER_FILE)}
    student = {"float": (EXPORT, FLOAT_FILE)}
    labels = {"float": (EXPORT_ON_LABELS, FLOAT_FILE)}
    if stored:
        student["quantized"] = (QUANTIZE, INT8_FILE)
        labels["quantized"] = (QUANTIZE_ON_LABELS, INT8_FILE)
    yield "student", student
    if controls.teacher_quantized and stored and taught:
        yield f"teacher {stored}", {"any": (QUANTIZE_TEACHER, INT8_FILE)}
    if controls.labels_only:
        yield "student on labels", labels
