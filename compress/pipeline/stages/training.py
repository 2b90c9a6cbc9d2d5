"""Training the student, and the control that learns from labels alone for equal steps."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from compress.distill.job import JobSpec
from compress.distill.launch import launch
from compress.distill.precision import choose_precision
from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, read_decision, write_decision
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.teacher import (
    FACTS,
    OUTPUTS_FILE,
    TEACHER,
    TEACHER_FILE,
    VALIDATION_FILE,
    embeddings_needed,
    has_file,
    view_names,
)
from compress.recipe.inherited_nodes import WITH_FILES
from compress.recipe.loss_needs import taps_of
from compress.recipe.nodes import Distill, LabelsLoss, TeacherNode
from compress.recipe.teaching import asks_online
from compress.store.keys import Json
from compress.students.build import student_code
from compress.teachers.build import teacher_digest
from compress.values import Decision

PRECISION = "precision"
TRAIN = "train"
TRAIN_ON_LABELS = "train-on-labels"
CONTROL_SMOOTHING = 0.1


def training_stages(context: Context) -> tuple[Stage, ...]:
    """The decision about precision, the training, and the control where it is wanted."""
    stages = [
        precision_stage(context),
        train_stage(context, TRAIN, context.recipe.distill, view_names(context)),
    ]
    if context.controls.labels_only:
        loss = LabelsLoss(kind="labels", smoothing=CONTROL_SMOOTHING)
        changes = {"loss": loss, "teach_by": "teacher"}
        node = context.recipe.distill.model_copy(update=changes)
        stages.append(train_stage(context, TRAIN_ON_LABELS, node, ()))
    return tuple(stages)


def precision_stage(context: Context) -> Stage:
    """The trial that decides in which precision the student is trained."""
    node = context.recipe.distill
    pinned = context.recipe.decisions.get("precision")
    if pinned is None and node.precision != "auto":
        pinned = node.precision

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        if pinned is not None:
            return {"pinned": pinned}
        return {
            **what_is_trained(context),
            "batch": node.batch,
            "device": node.device,
            "threads": context.threads,
            "machine": dict(context.machine),
            "versions": versions_of("torch", "accelerate"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        if pinned is not None:
            decision = Decision(
                question=PRECISION, chosen=pinned, reason="written in the recipe", pinned=True
            )
        else:
            spec = _spec(
                context, node, work=work, mode="precision", precision="float32", outputs=()
            )
            launch(spec, on_event=on_event)
            decision = choose_precision(json.loads((work / "precision.json").read_text()))
        return StageResult(files={DECISION_FILE: write_decision(work, decision)})

    return Stage(name=PRECISION, version=2, parts=parts, compute=compute)


def train_stage(context: Context, name: str, node: Distill, views: tuple[str, ...]) -> Stage:
    """A training under a name of its own. views: the stages whose teacher outputs it reads."""
    teacher = context.recipe.teacher if asks_online(node) else None
    # The file that is measured teaches where it can: it is the faster one on a CPU.
    from_file = (
        teacher is not None
        and has_file(context)
        and node.device == "cpu"
        and not taps_of(node.loss)
    )

    judged_by = embeddings_needed(context)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        # What can't change the weights stays out of the key.
        settings = node.model_dump(
            mode="json", exclude={"checkpoint_every", "precision", "trackers"}
        )
        known = {} if teacher is None else _teaches(context, teacher)
        return {
            **known,
            **what_is_trained(context),
            "distill": settings,
            "versions": versions_of("torch", "accelerate"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        decision = read_decision(inputs.path(PRECISION, DECISION_FILE))
        spec = _spec(
            context,
            node,
            work=work,
            mode="train",
            precision=decision.chosen,
            outputs=tuple(str(inputs.path(view, OUTPUTS_FILE)) for view in views),
        )
        if teacher is not None:
            file = str(inputs.path(TEACHER, TEACHER_FILE)) if from_file else None
            spec = replace(spec, teacher=teacher.model_dump(mode="json"), teacher_file=file)
        if judged_by:
            spec = replace(spec, embeddings=str(inputs.path(TEACHER, VALIDATION_FILE)))
        spec = replace(spec, run=f"{context.recipe.name}-{name}")
        launch(spec, processes=node.processes, stage=name, on_event=on_event)
        history = json.loads((work / "history.json").read_text())
        return StageResult(
            files={"weights.safetensors": work / "weights.safetensors"}, meta={"history": history}
        )

    needs = [f"{PRECISION}/{DECISION_FILE}", *(f"{view}/{OUTPUTS_FILE}" for view in views)]
    needs += judged_by
    if teacher is not None:  # its stage also refuses a teacher that is no better than chance
        needs.append(f"{TEACHER}/{TEACHER_FILE if from_file else FACTS}")
    return Stage(name=name, version=5, parts=parts, compute=compute, needs=tuple(needs))


def _teaches(context: Context, node: TeacherNode) -> dict[str, Json]:
    return {"teacher": teacher_digest(node, folder=context.folder)}


def training_spec(context: Context, *, work: Path, precision: str) -> JobSpec:
    """The job of a recipe that trains on labels alone, outside a run: for trials of sizes."""
    return _spec(
        context, context.recipe.distill, work=work, mode="train", precision=precision, outputs=()
    )


def what_is_trained(context: Context) -> dict[str, Json]:
    """The parts of a key that every training has."""
    recipe = context.recipe
    return {
        "student": recipe.student.model_dump(mode="json"),
        "code": student_code(recipe.student, folder=context.folder),
        "data": context.task.fingerprint,
        "task": recipe.task.model_dump(mode="json"),
        "seed": recipe.seed,
    }


def _spec(
    context: Context,
    node: Distill,
    *,
    work: Path,
    mode: Literal["train", "precision"],
    precision: str,
    outputs: tuple[str, ...],
) -> JobSpec:
    recipe = context.recipe
    trial = node
    if mode == "precision":
        # Steps are timed without stored outputs: reading them costs next to nothing.
        trial = node.model_copy(update={"loss": LabelsLoss(kind="labels"), "teach_by": "teacher"})
    return JobSpec(
        mode=mode,
        task=recipe.task.model_dump(mode="json"),
        student=recipe.student.model_dump(mode="json", context=WITH_FILES),
        distill=trial.model_dump(mode="json"),
        folder=str(context.folder.resolve()),
        cache=str(context.cache.resolve()),
        data_folder=str(context.data_folder.resolve()) if context.data_folder else None,
        seed=recipe.seed,
        threads=max(1, context.threads // node.processes),
        precision=precision,
        teacher_outputs=outputs,
        workdir=str(work.resolve()),
        parent_pid=os.getpid(),
    )
