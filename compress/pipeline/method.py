"""`loss: auto` and `distil advise`: hold the race first, then go on with what it chose."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from compress.pipeline.context import Context
from compress.pipeline.inheriting import inheritance_stages, with_inherited
from compress.pipeline.stage import Finished, OnEvent, Stage
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.method import ADVICE_FILE, METHOD, method_stage
from compress.pipeline.stages.student import student_stage
from compress.pipeline.stages.teacher import teacher_stages
from compress.recipe.load import LoadedRecipe, load_recipe
from compress.recipe.loss_nodes import AutoLoss, LossNode
from compress.recipe.units import parse_duration
from compress.store.store import open_store
from exporters.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """What `distil advise` found: the content of advice.json, and whether it was stored."""

    advice: Mapping[str, Any]
    stored: bool


def race_stages(context: Context, *, runner: StageRunner) -> tuple[Stage, ...]:
    """The stages that come before the rest of a run with `loss: auto`; none with another loss."""
    loss = context.recipe.distill.loss
    if not isinstance(loss, AutoLoss):
        return ()
    return (
        student_stage(context),
        *teacher_stages(context),
        method_stage(context, budget_s=parse_duration(loss.budget), runner=runner),
    )


def with_method(context: Context, finished: Mapping[str, Finished]) -> Context:
    """The context with the loss that the race chose, and its mixup."""
    advice, node = finished[METHOD].json(ADVICE_FILE), context.recipe.distill
    loss: LossNode = TypeAdapter(LossNode).validate_python(advice["loss"])
    node = node.model_copy(update={"loss": loss, "mixup": advice["mixup"] or node.mixup})
    return replace(context, recipe=context.recipe.model_copy(update={"distill": node}))


def advise_recipe(
    recipe: str | os.PathLike[str] | LoadedRecipe,
    *,
    cache: str | os.PathLike[str],
    budget: str = "20min",
    data_folder: Path | None = None,
    fresh: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Advised:
    """Race the methods that suit a recipe, whatever loss it names, on validation data alone.

    budget: a time with its unit. Raises InputError where the recipe has no teacher and where no
    race fits the budget.
    """
    from compress.pipeline.run import prepare  # which needs this file for `loss: auto`

    loaded = recipe if isinstance(recipe, LoadedRecipe) else load_recipe(Path(recipe))
    loss = AutoLoss(kind="auto", budget=budget)
    node = loaded.recipe.distill.model_copy(update={"loss": loss})
    raced = replace(loaded, recipe=loaded.recipe.model_copy(update={"distill": node}))
    with open_store(cache) as store:
        context = prepare(raced, cache=store.root, data_folder=data_folder, on_event=on_event)
        runner = StageRunner(store, fresh=fresh)
        cut = runner.run(inheritance_stages(context), on_event=on_event)
        context = with_inherited(context, cut)
        finished = hold_race(context, runner=runner, on_event=on_event)
    return Advised(advice=finished[METHOD].json(ADVICE_FILE), stored=finished[METHOD].record.hit)


def hold_race(context: Context, *, runner: StageRunner, on_event: OnEvent) -> dict[str, Finished]:
    """The finished stages of the race; empty where the recipe names a loss."""
    return runner.run(race_stages(context, runner=runner), on_event=on_event)
