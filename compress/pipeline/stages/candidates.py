"""Trainings of a search, each out of stages of its own: short ones, and the one in full."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from compress.errors import (
    DistilError,
    InputError,
    TrainingDiverged,
)
from compress.pipeline.context import Context
from compress.pipeline.graph import plan_stages
from compress.pipeline.inheriting import inherited
from compress.pipeline.limits import on_accuracy
from compress.pipeline.outlook import Outlook, outlook
from compress.pipeline.stage import Finished, OnEvent, Stage
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.exporting import FLOAT_FILE, export_stage, export_stages
from compress.pipeline.stages.glance import outputs_seconds
from compress.pipeline.stages.losses import race_losses, with_first_loss, with_raced_loss
from compress.pipeline.stages.pace import epoch_seconds, longest_epoch
from compress.pipeline.stages.quantizing import FACTS, quantize_stage, quantize_stages
from compress.pipeline.stages.schemes import planned, slug
from compress.pipeline.stages.screening import BUILDING, OF_MACHINE
from compress.pipeline.stages.teacher import TEACHER, stored_views, teacher_stages, view_names
from compress.pipeline.stages.training import TRAIN, precision_stage, train_stage
from compress.recipe.loss_nodes import AutoLoss
from compress.recipe.nodes import NoQuantize, SchemeQuantize, StaticQuantize, Trackers
from compress.report import quantities as q
from compress.search.ledger import Scored
from compress.search.solve import Found
from compress.search.space import Plan
from compress.search.trainer import DIVERGED, PILOTS
from exporters.events import Event

TEACHING = "teacher's outputs"
IN_FULL = "training in full"
QUANTIZING = "quantization"
PART_TEACHING = 0.5  # of the time, at most: the rest is for what is searched
# Candidates were built, exported and stored when they were timed: what the recipe names is there.
NOT_ITS_OWN = (*OF_MACHINE, InputError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why a plan came to nothing, in the words of the report, and what that took."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """A training in full: what is to be expected of it, or why it failed; parts: seconds."""

    seen: Outlook | None = None
    failed: str = ""
    parts: Mapping[str, float]


@dataclass(slots=True)
class Candidates:
    """worked_s: what stages took that this process computed itself."""

    context: Context
    runner: StageRunner
    on_event: OnEvent
    clock: Callable[[], float] = time.monotonic
    worked_s: float = 0.0
    taught: dict[str, Finished] = field(default_factory=dict)

    def teach(self, seconds: float) -> float:
        """The teacher's outputs, which all need, and what they took, a glance at the teacher
        included. Raises InputError at once where they would take too much of so many seconds."""
        if isinstance(self.context.recipe.distill.loss, AutoLoss):
            self.context = with_first_loss(self.context, self._run(()))
        began = self.clock()
        self._refuse_slow_teacher(seconds)
        glance_s = self.clock() - began
        self.worked_s += glance_s
        self.taught |= self._run(())
        return glance_s + sum(done.entry.seconds for done in self.taught.values())

    def _refuse_slow_teacher(self, seconds: float) -> None:
        """By the outputs that are not there yet: those that are were paid for."""
        steps = plan_stages(teacher_stages(self.context), store=self.runner.store)
        there = {step.stage for step in steps if step.hit and not self.runner.fresh}
        missing = [one for one in stored_views(self.context) if one.stage not in there]
        try:
            needed_s = outputs_seconds(self.context, missing)
        except DistilError:
            return  # the stage that checks the teacher says what is wrong with it
        if needed_s > PART_TEACHING * seconds:
            enough = math.ceil(needed_s / PART_TEACHING / 60)
            raise InputError(
                f"the teacher's outputs take about {q.seconds(needed_s)}, which "
                f"is more than half of the {q.seconds(seconds)}",
                where="search.time",
                cure=f"write `time: {enough}min` or more, or fewer `distill.views`",
            )

    def pace(self, plan: Plan) -> float:
        """About what an epoch takes, by a few steps."""
        base = self._cut(planned(self.context, plan))
        began = self.clock()
        seconds = epoch_seconds(base)
        self.worked_s += self.clock() - began
        return seconds

    def pilot(self, plan: Plan, *, seed: int, epochs: int) -> Scored:
        """A short training, judged as it would be shipped. One that fails is told of: others may
        do. Raises where the machine or the recipe is at fault."""
        base = self._cut(planned(self.context, plan))
        name = f"pilot-{slug(plan)}-{seed}-{epochs}"
        views = view_names(base)[:epochs]
        changes = {
            "epochs": epochs,
            "seed": seed,
            "views": max(1, len(views)),
            "patience": None,
            "trackers": Trackers(),
        }
        node = base.recipe.distill.model_copy(update=changes)
        context = replace(base, recipe=base.recipe.model_copy(update={"distill": node}))
        stages = [precision_stage(context), train_stage(context, name, node, views)]
        quantize = context.recipe.quantize
        export, stored = f"{name}-export", f"{name}-{plan.scheme}"
        if not isinstance(quantize, NoQuantize):
            assert isinstance(quantize, StaticQuantize | SchemeQuantize)
            stages.append(export_stage(context, export, name))
            stages.append(quantize_stage(context, quantize, stored, export, FLOAT_FILE))
        done = self._tried(plan, stages)
        if isinstance(done, Failed):
            epoch_s = done.seconds / epochs
            return Scored(accuracy=math.nan, epoch_s=epoch_s, start_s=0.0, failed=done.reason)
        history: Any = done[name].entry.meta["history"]
        accuracy = float(history["epochs"][-1]["validation_accuracy"])
        if not isinstance(quantize, NoQuantize):
            accuracy = float(done[stored].json(FACTS)["int8_accuracy"])
        parts = _parts(done, stages, PILOTS)
        took = sum(parts.values())
        epoch_s = longest_epoch(history["epochs"], seconds=took)
        said = f"{plan.name}: {100 * accuracy:.2f} % after {epochs} epochs in {took:.0f} s"
        self.on_event(Event("note", "search", said))
        start_s = max(0.0, took - epochs * epoch_s)
        return Scored(accuracy=accuracy, epoch_s=epoch_s, start_s=start_s, parts=parts)

    def race_losses(self, found: Found, *, budget_s: float) -> Mapping[str, Any]:
        """Hold the race on what was found, for `learn_by`."""
        context = self._cut(with_plan(self.context, found.plan, found.epochs))
        began = self.clock()
        said = race_losses(context, budget_s=budget_s, runner=self.runner, on_event=self.on_event)
        self.worked_s += self.clock() - began
        return said

    def learn_by(self, said: Mapping[str, Any]) -> None:
        """Train in full by what a race has said."""
        self.context = with_raced_loss(self.context, said)

    def finish(self, found: Found) -> Finish:
        """Train in full by the very stages that a run goes on with, and look at validation. Raises
        where the machine or the recipe is at fault."""
        context = self._cut(with_plan(self.context, found.plan, found.epochs))
        stages = (
            precision_stage(context),
            train_stage(context, TRAIN, context.recipe.distill, view_names(context)),
            *export_stages(_without_controls(context)),
            *quantize_stages(_without_controls(context)),
        )
        done = self._tried(found.plan, stages)
        if isinstance(done, Failed):
            return Finish(parts={IN_FULL: done.seconds}, failed=done.reason)
        began = self.clock()
        budgets = tuple(filter(on_accuracy, context.recipe.budgets))
        seen = outlook(context, budgets, done, teacher=self.taught.get(TEACHER))
        looked_s = self.clock() - began
        self.worked_s += looked_s
        parts = _parts(done, stages, IN_FULL)
        return Finish(seen=seen, parts={**parts, IN_FULL: parts[IN_FULL] + looked_s})

    def _tried(self, plan: Plan, stages: Sequence[Stage]) -> dict[str, Finished] | Failed:
        """The stages finished, or why the plan can't be trained, exported or stored: that is told,
        and its time counts. Raises where the machine or the recipe is at fault."""
        began = self.clock()
        try:
            return self._run(stages)
        except NOT_ITS_OWN:
            raise
        except DistilError as error:
            took = self.clock() - began
            self.worked_s += took
            diverged = isinstance(error, TrainingDiverged)
            reason = f"{DIVERGED}: {error.what}" if diverged else error.what
            self.on_event(Event("note", "search", f"{plan.name} failed: {reason}"))
            return Failed(reason=reason, seconds=took)

    def _cut(self, context: Context) -> Context:
        """What this takes is in the account of the screening."""
        made, done = inherited(context, runner=self.runner, on_event=self._quiet)
        self.worked_s += _new_s(done)
        return made

    def _run(self, stages: Sequence[Stage]) -> dict[str, Finished]:
        graph = (*teacher_stages(self.context), *stages)
        done = self.runner.run(graph, on_event=self._quiet)
        self.worked_s += _new_s(done)
        return done

    def _quiet(self, event: Event) -> None:
        if event.kind in ("progress", "wait"):
            self.on_event(event)


def with_plan(context: Context, plan: Plan, epochs: int) -> Context:
    """The context of a run that trains this plan for so many epochs."""
    made = planned(context, plan)
    node = made.recipe.distill.model_copy(update={"epochs": epochs})
    return replace(made, recipe=made.recipe.model_copy(update={"distill": node}))


def _parts(
    done: Mapping[str, Finished], stages: Sequence[Stage], training: str
) -> dict[str, float]:
    """Seconds of stages by what they did; the first two train."""
    parts: dict[str, float] = {training: 0.0}
    for number, stage in enumerate(stages):
        name = training
        if number > 1:
            name = BUILDING if FLOAT_FILE in done[stage.name].files else QUANTIZING
        parts[name] = parts.get(name, 0.0) + done[stage.name].entry.seconds
    return parts


def _new_s(done: Mapping[str, Finished]) -> float:
    """Seconds of what this process computed."""
    return sum(one.entry.seconds for one in done.values() if not one.record.hit)


def _without_controls(context: Context) -> Context:
    return replace(context, recipe=context.recipe.model_copy(update={"controls": "none"}))
