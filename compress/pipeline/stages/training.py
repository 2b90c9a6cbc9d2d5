"""Training the student, and the control that learns from labels alone for equal steps."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from compress.distill.job import JobSpec
from compress.distill.launch import launch
from compress.distill.precision import choose_precision
from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, read_decision, write_decision
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.teacher import OUTPUTS_FILE, view_names
from compress.recipe.nodes import Distill, LabelsLoss
from compress.recipe.targets import target_digest
from compress.store.keys import Json
from compress.values import Decision

PRECISION = "precision"
TRAIN = "train"
TRAIN_ON_LABELS = "train-on-labels"
CONTROL_SMOOTHING = 0.1


def training_stages(context: Context) -> tuple[Stage, ...]:
    """The decision about precision, the training, and the control where it is wanted."""
    stages = [
        _precision(context),
        _train(context, TRAIN, context.recipe.distill, view_names(context)),
    ]
    if context.controls.labels_only:
        loss = LabelsLoss(kind="labels", smoothing=CONTROL_SMOOTHING)
        node = context.recipe.distill.model_copy(update={"loss": loss})
        stages.append(_train(context, TRAIN_ON_LABELS, node, ()))
    return tuple(stages)


def _precision(context: Context) -> Stage:
    node = context.recipe.distill
    pinned = context.recipe.decisions.get("precision")
    if pinned is None and node.precision != "auto":
        pinned = node.precision

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        if pinned is not None:
            return {"pinned": pinned}
        return {
            **_what_is_trained(context),
            "batch": node.batch,
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

    return Stage(name=PRECISION, version=1, parts=parts, compute=compute)


def _train(context: Context, name: str, node: Distill, views: tuple[str, ...]) -> Stage:
    def parts(inputs: Inputs) -> Mapping[str, Json]:
        # What can't change the weights stays out of the key.
        settings = node.model_dump(mode="json", exclude={"checkpoint_every", "precision"})
        return {
            **_what_is_trained(context),
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
        launch(spec, processes=node.processes, stage=name, on_event=on_event)
        history = json.loads((work / "history.json").read_text())
        return StageResult(
            files={"weights.safetensors": work / "weights.safetensors"}, meta={"history": history}
        )

    needs = (f"{PRECISION}/{DECISION_FILE}", *(f"{view}/{OUTPUTS_FILE}" for view in views))
    return Stage(name=name, version=1, parts=parts, compute=compute, needs=needs)


def training_spec(context: Context, *, work: Path, precision: str) -> JobSpec:
    """The job of a recipe that trains on labels alone, outside a run: for trials of sizes."""
    return _spec(
        context, context.recipe.distill, work=work, mode="train", precision=precision, outputs=()
    )


def _what_is_trained(context: Context) -> dict[str, Json]:
    recipe = context.recipe
    return {
        "student": recipe.student.model_dump(mode="json"),
        "code": target_digest(recipe.student.target, context.folder),
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
        trial = node.model_copy(update={"loss": LabelsLoss(kind="labels")})
    return JobSpec(
        mode=mode,
        task=recipe.task.model_dump(mode="json"),
        student=recipe.student.model_dump(mode="json"),
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
