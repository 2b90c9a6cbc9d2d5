"""`loss: auto` in a search: what its pilots learn by, and the race for what was found."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from pydantic import TypeAdapter

from compress.errors import InputError
from compress.pipeline.context import Context
from compress.pipeline.decisions import DECISION_FILE, read_decision
from compress.pipeline.stage import Finished, OnEvent
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.method import ADVICE_FILE, METHOD, method_stage
from compress.pipeline.stages.student import STUDENT, student_stage
from compress.pipeline.stages.teacher import FACTS, TEACHER, teacher_stages
from compress.recipe.loss_nodes import AutoLoss, HardLoss, KdLoss, LossNode
from compress.recipe.nodes import Recipe
from compress.recipe.units import parse_duration
from compress.search.timed_race import BUDGET
from exporters.events import Event

RACE = "race of losses"
PART = 0.3  # of a search's time, at most


def race_seconds(recipe: Recipe, loss: AutoLoss) -> float:
    """What of a search's time the race may take: what the recipe says, else at most PART of it.
    InputError where it says more, and where there is no teacher."""
    if recipe.teacher is None:
        raise InputError(
            "there is nothing to distil from: the recipe names no teacher",
            where="teacher",
            cure="add one, or write `loss: labels`",
        )
    own_s, most_s = parse_duration(loss.budget), PART * parse_duration(recipe.search.time)
    if own_s <= most_s or "budget" not in loss.model_fields_set:
        return min(own_s, most_s)
    most = f"{math.floor(most_s)}s" if most_s < 120 else f"{math.floor(most_s / 60)}min"
    raise InputError(
        f"a race of {loss.budget} leaves too little of a search of {recipe.search.time}",
        where="distill.loss.budget",
        cure=f"write {most} or less, or nothing for that; or give the search more",
    )


def with_loss(context: Context, loss: LossNode, mixup: float | None = None) -> Context:
    """The context of a run that learns by another loss, and by mixtures where that says so."""
    node = context.recipe.distill
    node = node.model_copy(update={"loss": loss, "mixup": mixup or node.mixup})
    return replace(context, recipe=context.recipe.model_copy(update={"distill": node}))


def with_first_loss(context: Context, taught: Mapping[str, Finished]) -> Context:
    """What suits every teacher of its kind, until the race has told more."""
    if taught[TEACHER].json(FACTS)["gives"] == "labels":
        return with_loss(context, HardLoss(kind="hard"))
    return with_loss(context, KdLoss(kind="kd"))


def with_raced_loss(context: Context, said: Mapping[str, Any]) -> Context:
    """said: what a race has said, as `race_losses` writes it, or a search that held one."""
    loss: LossNode = TypeAdapter(LossNode).validate_python(said["loss"])
    return with_loss(context, loss, said["mixup"])


def race_losses(
    context: Context, *, budget_s: float, runner: StageRunner, on_event: OnEvent
) -> dict[str, Any]:
    """Hold the race for a context's student: loss, mixup, the decision, and seconds.

    Where none fits budget_s, the context's own loss stays and the decision is None.
    """
    began, own = time.monotonic(), context.recipe.distill.loss
    stages = (
        student_stage(context),
        *teacher_stages(context),
        method_stage(context, budget_s=budget_s, runner=runner, stored=True),
    )
    try:
        done = runner.run(stages, on_event=on_event)
    except InputError as error:
        if error.where != BUDGET:
            raise
        on_event(Event("note", METHOD, f"goes on with the first loss: {error.what}"))
        return {
            "loss": own.model_dump(mode="json"),
            "mixup": None,
            "decision": None,
            "seconds": time.monotonic() - began,
        }
    advice = done[METHOD].json(ADVICE_FILE)
    return {
        "loss": advice["loss"],
        "mixup": advice["mixup"],
        "decision": asdict(read_decision(done[METHOD].files[DECISION_FILE])),
        "seconds": sum(done[name].entry.seconds for name in (STUDENT, METHOD)),
    }
