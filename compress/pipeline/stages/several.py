"""Several teachers: each a stage with stored outputs of its own; together the mean of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from compress.pipeline.context import Context, versions_of
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.teacher_files import (
    FACTS,
    OUTPUTS_FILE,
    TEACHER,
    TEACHER_FILE,
    has_file,
    output_form,
    view_name,
)
from compress.recipe.nodes import SeveralTeacher
from compress.store.keys import Json
from compress.tasks.batches import row_batches
from compress.teachers.build import build_teacher, onnx_teacher, teacher_digest, weights_of
from compress.teachers.check import check_teacher
from compress.teachers.merge import merge
from compress.teachers.outputs import BATCH
from compress.teachers.several import mean_of
from compress.teachers.stored import open_outputs, write_outputs
from exporters.atomic import write_json
from exporters.events import Event


def member_name(index: int) -> str:
    """The stage that checks one of several teachers."""
    return f"teacher-{index + 1}"


def member_views(node: SeveralTeacher, view: int) -> tuple[str, ...]:
    """The stages that store one view of each."""
    return tuple(view_name(view, member_name(index)) for index in range(len(node.of)))


def together_stage(context: Context, node: SeveralTeacher) -> Stage:
    """All as one teacher: as one ONNX file where each has one, and how often it is right."""
    members = [member_name(index) for index in range(len(node.of))]
    merged = has_file(context)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "teacher": teacher_digest(node, folder=context.folder),
            "data": context.task.fingerprint,
            "versions": versions_of("onnx", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        files = {FACTS: work / FACTS}
        if merged:
            files[TEACHER_FILE] = work / TEACHER_FILE
            sources = [inputs.path(name, TEACHER_FILE) for name in members]
            merge(sources, files[TEACHER_FILE], weights=weights_of(node))
            teacher = onnx_teacher(
                files[TEACHER_FILE],
                digest="",
                threads=context.threads,
                input_names=context.task.input_names,
            )
        else:
            teacher = build_teacher(
                node,
                folder=context.folder,
                threads=context.threads,
                classes=len(context.task.classes),
                input_names=context.task.input_names,
            )
        accuracy = check_teacher(teacher, context.task)
        write_json(files[FACTS], {"validation_accuracy": accuracy, "gives": "logits"})
        said = f"together right on {100 * accuracy:.2f} % of validation"
        on_event(Event("note", TEACHER, said))
        return StageResult(files=files)

    needs = tuple(f"{name}/{TEACHER_FILE if merged else FACTS}" for name in members)
    return Stage(name=TEACHER, version=2, parts=parts, compute=compute, needs=needs)


def mean_stage(context: Context, node: SeveralTeacher, view: int) -> Stage:
    """One view: the mean of what each teacher stored, by batch and never held whole."""
    sources = member_views(node, view)
    weights = weights_of(node)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        form = output_form(context)
        return {"weights": list(weights), "dtype": form.dtype, "k": form.k}

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        task, path = context.task, work / OUTPUTS_FILE
        samples, classes = len(task.train), len(task.classes)
        stored = [
            open_outputs(inputs.path(source, OUTPUTS_FILE), samples=samples, classes=classes)
            for source in sources
        ]
        write_outputs(
            path,
            row_batches(task, task.train, BATCH),
            lambda rows: mean_of([np.asarray(one[rows]) for one in stored], weights),
            samples=samples,
            classes=classes,
            form=output_form(context),
            about=" ".join(inputs.digest(source, OUTPUTS_FILE) for source in sources),
        )
        return StageResult(files={OUTPUTS_FILE: path})

    needs = tuple(f"{source}/{OUTPUTS_FILE}" for source in sources)
    return Stage(name=view_name(view), version=1, parts=parts, compute=compute, needs=needs)
