"""`student: {kind: auto}`: screens, races and trains, each a stage, and says what won."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from compress.errors import TrainingDiverged
from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, write_decision
from compress.pipeline.graph import run_stages
from compress.pipeline.limits import limits_of, on_accuracy
from compress.pipeline.outlook import Outlook, outlook, relaxations, trials_of
from compress.pipeline.search_space import check_search, space_of
from compress.pipeline.stage import Finished, Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.exporting import FLOAT_FILE, export_stage, export_stages
from compress.pipeline.stages.quantizing import FACTS, quantize_stage, quantize_stages
from compress.pipeline.stages.screening import Screener, planned, slug
from compress.pipeline.stages.teacher import TEACHER, has_file, teacher_stages, view_names
from compress.pipeline.stages.training import (
    TRAIN,
    precision_stage,
    train_stage,
)
from compress.recipe.nodes import AutoStudent, NoQuantize, SchemeQuantize, StaticQuantize, Trackers
from compress.recipe.units import format_duration, parse_duration
from compress.search.screening import Screening
from compress.search.solve import SCREENING, Found, Scored, Trainer, choose
from compress.search.space import Plan
from compress.store.keys import Json
from compress.store.store import Store
from compress.students.factories.make import VERSION
from compress.teachers.build import teacher_digest
from compress.trials import Relaxation, SearchFacts
from compress.values import Decision
from exporters.atomic import write_json
from exporters.events import Event

SEARCH = "search"
SEARCH_FILE = "search.json"
# Seconds of what comes after the training in full, by a run of the Fashion-MNIST demo on 2 cores.
_AFTER_S = 12.0  # export, quantization, choice, report
_EPOCH_S = 1.4  # of measuring, per file and setting of threads
_SAMPLE_S = 0.006  # per validation sample: ledger, slices, the judge's own split


def search_stage(
    context: Context, *, store: Store, clock: Callable[[], float] = time.monotonic
) -> Stage:
    """Find the student. What it trains and times is stored one by one, so that a stopped search
    goes on; its account of time is that of the stored work, and so the same after a stop."""
    node = context.recipe.student
    assert isinstance(node, AutoStudent)
    check_search(context)
    seconds = parse_duration(context.recipe.search.time)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        recipe, teacher = context.recipe, context.recipe.teacher
        settings = recipe.distill.model_dump(mode="json", exclude={"checkpoint_every", "trackers"})
        return {
            "student": node.model_dump(mode="json"),
            "families": VERSION,
            "search": recipe.search.model_dump(mode="json"),
            "teacher": teacher and teacher_digest(teacher, folder=context.folder),
            "data": context.task.fingerprint,
            "task": recipe.task.model_dump(mode="json"),
            "distill": settings,
            "quantize": recipe.quantize.model_dump(mode="json"),
            "bench": recipe.bench.model_dump(mode="json"),
            "budgets": [budget.model_dump(mode="json") for budget in recipe.budgets],
            "decisions": dict(recipe.decisions),
            "seed": recipe.seed,
            "machine": dict(context.machine),
            "threads": context.threads,
            "versions": versions_of("torch", "accelerate", "onnx", "onnxscript", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        on_event(Event("note", SEARCH, f"searches a student, about {words(seconds)} in all"))
        with _Search(context, store, on_event, seconds, clock) as search:
            found, seen = search.run()
        facts = {
            "student": found.plan.student.model_dump(mode="json"),
            "scheme": found.plan.scheme,
            "epochs": found.epochs,
            "facts": asdict(seen),
        }
        write_json(work / SEARCH_FILE, facts)
        decision = Decision(
            question="student",
            chosen=found.plan.name,
            reason=seen.reason,
            evidence={"epochs": found.epochs, "candidates": len(seen.trials)},
        )
        on_event(Event("note", SEARCH, f"{decision.chosen}: {decision.reason}"))
        write_decision(work, decision)
        files = {SEARCH_FILE: work / SEARCH_FILE, DECISION_FILE: work / DECISION_FILE}
        return StageResult(files=files)

    return Stage(name=SEARCH, version=1, parts=parts, compute=compute)


def words(seconds: float) -> str:
    """ "40 min"."""
    return f"{seconds / 60:.3g} min" if seconds >= 60 else format_duration(round(seconds, 1))


@dataclass(slots=True)
class _Search:
    """One search over real candidates."""

    context: Context
    store: Store
    on_event: OnEvent
    seconds: float
    clock: Callable[[], float]
    spent: dict[str, float] = field(default_factory=dict)
    taught: dict[str, Finished] = field(default_factory=dict)
    _screener: Screener = field(init=False)

    def __enter__(self) -> _Search:
        stages = teacher_stages(self.context)
        self.taught = run_stages(stages, store=self.store, on_event=self._quiet) if stages else {}
        self.spent["teacher's outputs"] = sum(d.entry.seconds for d in self.taught.values())
        self._screener = Screener(self.context, self.taught, self.store, self.on_event)
        return self

    def __exit__(self, *about: object) -> None:
        self._screener.__exit__(*about)

    def run(self) -> tuple[Found, SearchFacts]:
        """The plan for the ordinary stages, and what the report says."""
        began = self.clock()
        space, recipe = space_of(self.context), self.context.recipe
        trainer = Trainer(
            evaluate=self._pilot,
            operators=self._screener.operators,
            most_epochs=recipe.distill.epochs,
        )
        screening = Screening(
            limits=tuple(limits_of(recipe.budgets)),
            screen=self._screen,
            operators=self._screener.operators,
            go_on=lambda: self.spent.get("screening", 0.0) < SCREENING * self.seconds,
        )
        found = choose(
            space,
            screening=screening,
            trainer=trainer,
            seconds=self.seconds,
            spent=lambda: sum(self.spent.values()),
            reserve_s=self._after_s(),
            seed=recipe.seed,
        )
        seen = self._finish(found)
        binding: str | None = None
        relaxed: tuple[Relaxation, ...] = ()
        if not found.fits or not seen.reaches:
            found, seen, binding, relaxed = relaxations(
                self.context.recipe.budgets,
                space,
                found,
                seen,
                screening=screening,
                trainer=trainer,
                finish=self._finish,
                left_s=max(
                    0.1 * self.seconds,
                    self.seconds - sum(self.spent.values()) - self._after_s(),
                ),
                seed=recipe.seed,
            )
        worked = sum(self.spent.values())
        self.spent["bookkeeping"] = max(0.0, self.clock() - began - worked)
        return found, SearchFacts(
            chosen=found.plan.name,
            reason=_reason(found, seen, binding),
            binding=binding,
            trials=trials_of(screening, trainer, found, seen),
            relaxations=relaxed,
            reached=seen.accuracy,
            aim=seen.aim,
            stated_s=self.seconds,
            spent_s={name: round(value, 2) for name, value in self.spent.items()},
        )

    def _screen(self, plan: Plan) -> Any:
        found = self._screener.screen(plan)
        self._spend("screening", found.seconds)
        return found

    def _pilot(self, plan: Plan, *, seed: int, epochs: int) -> Scored:
        """A short training as stages of its own, judged as it would be shipped."""
        base = planned(self.context, plan)
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
        stored = f"{name}-int8"
        if not isinstance(quantize, NoQuantize):
            export = f"{name}-export"
            stages.append(export_stage(context, export, name))
            assert isinstance(quantize, StaticQuantize | SchemeQuantize)
            stages.append(quantize_stage(context, quantize, stored, export, FLOAT_FILE))
        try:
            done = run_stages(
                (*teacher_stages(self.context), *stages), store=self.store, on_event=self._quiet
            )
        except TrainingDiverged:
            return Scored(accuracy=math.nan, epoch_s=1.0, start_s=0.0)
        history: Any = done[name].entry.meta["history"]
        accuracy = float(history["epochs"][-1]["validation_accuracy"])
        if not isinstance(quantize, NoQuantize):
            accuracy = float(done[stored].json(FACTS)["int8_accuracy"])
        took = sum(done[stage.name].entry.seconds for stage in stages)
        epoch_s = max(float(one["seconds"]) for one in history["epochs"])
        epoch_s = min(1.1 * epoch_s, took / epochs)
        self._spend("pilots", took)
        self.on_event(
            Event(
                "note",
                SEARCH,
                f"{plan.name}: {100 * accuracy:.2f} % after {epochs} epochs in {took:.0f} s",
            )
        )
        return Scored(accuracy=accuracy, epoch_s=epoch_s, start_s=max(0.0, took - epochs * epoch_s))

    def _finish(self, found: Found) -> Outlook:
        """Train in full by the very stages that a run goes on with, and look at validation."""
        context = with_plan(self.context, found.plan, found.epochs)
        stages = (
            precision_stage(context),
            train_stage(context, TRAIN, context.recipe.distill, view_names(context)),
            *export_stages(_without_controls(context)),
            *quantize_stages(_without_controls(context)),
        )
        done = run_stages(
            (*teacher_stages(context), *stages), store=self.store, on_event=self._quiet
        )
        self._spend("training in full", sum(done[stage.name].entry.seconds for stage in stages))
        budgets = tuple(filter(on_accuracy, context.recipe.budgets))
        return outlook(context, budgets, done, teacher=self.taught.get(TEACHER))

    def _after_s(self) -> float:
        bench, task = self.context.recipe.bench, self.context.task
        controls = self.context.controls
        files = 1 + has_file(self.context) + controls.labels_only + controls.teacher_quantized
        measured = bench.epochs * len(bench.threads) * len(bench.devices) * files * _EPOCH_S
        return _AFTER_S + measured + _SAMPLE_S * len(task.validation)

    def _spend(self, what: str, seconds: float) -> None:
        self.spent[what] = self.spent.get(what, 0.0) + seconds

    def _quiet(self, event: Event) -> None:
        if event.kind in ("progress", "wait"):
            self.on_event(event)


def with_plan(context: Context, plan: Plan, epochs: int) -> Context:
    """The context of a run that trains this plan for so many epochs."""
    made = planned(context, plan)
    node = made.recipe.distill.model_copy(update={"epochs": epochs})
    return replace(made, recipe=made.recipe.model_copy(update={"distill": node}))


def _without_controls(context: Context) -> Context:
    return replace(context, recipe=context.recipe.model_copy(update={"controls": "none"}))


def _reason(found: Found, seen: Outlook, binding: str | None) -> str:
    raced = len(found.pilots)
    reached = f"{100 * seen.accuracy:.2f} % on validation after {found.epochs} epochs"
    if binding is None:
        return f"the best of {raced} that were trained of those that keep to the budgets; {reached}"
    return f"the best of {raced} that were trained, none of which meets `{binding}`; {reached}"
