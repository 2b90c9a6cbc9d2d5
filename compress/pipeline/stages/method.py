"""Which method suits: a race of short pilots, each a stage of its own, and what it says."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import onnx

from compress.errors import InputError, TrainingDiverged
from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, write_decision
from compress.pipeline.graph import run_stages
from compress.pipeline.stage import Finished, Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.student import FACTS as STUDENT_FACTS
from compress.pipeline.stages.student import STUDENT
from compress.pipeline.stages.teacher import FACTS as TEACHER_FACTS
from compress.pipeline.stages.teacher import (
    TEACHER,
    TEACHER_FILE,
    has_file,
    teacher_stages,
    view_names,
)
from compress.pipeline.stages.training import precision_stage, train_stage, what_is_trained
from compress.recipe.loss_needs import needs_scores
from compress.recipe.loss_nodes import HardLoss, KdLoss, LossNode
from compress.recipe.nodes import Trackers
from compress.recipe.units import format_duration
from compress.search.advice import Advice, advise
from compress.search.candidates import CONTROLS, LABELS, Candidates, Facts, Given, candidates
from compress.search.pilots import Costs, Plan, plan_pilots, smallest_budget
from compress.search.race import race
from compress.store.keys import Json
from compress.store.store import Store
from compress.teachers.build import teacher_digest
from compress.values import Decision
from exporters.atomic import write_json
from exporters.events import Event
from exporters.macs import count_macs

METHOD = "method"
ADVICE_FILE = "advice.json"
EPOCH_ALLOWANCE = 1.1  # validation and statistics come on top of an epoch's own seconds
_GIVEN: Mapping[str, Given] = {"logits": "logits", "top-k": "top-k", "labels": "hard labels"}


def method_stage(
    context: Context,
    *,
    budget_s: float,
    store: Store,
    clock: Callable[[], float] = time.monotonic,
) -> Stage:
    """Hold the race within budget_s seconds. Its pilots are stored one by one, so a stopped race
    goes on; InputError where no race fits, naming the smallest budget that does."""
    teacher = context.recipe.teacher
    if teacher is None:
        raise InputError(
            "there is nothing to distil from: the recipe names no teacher",
            where="teacher",
            cure="add one, or write `loss: labels`",
        )

    if context.task.outputs == "embeddings":
        raise InputError(
            "a race compares accuracies, and the task gives embeddings",
            where="task.outputs",
            cure="write `loss: {kind: embedding, form: similarity-kl}`, which fits any two widths",
        )

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        settings = context.recipe.distill.model_dump(
            mode="json", exclude={"loss", "checkpoint_every", "precision", "trackers"}
        )
        return {
            **what_is_trained(context),
            "teacher": teacher_digest(teacher, folder=context.folder),
            "distill": settings,
            "budget_s": budget_s,
            "machine": dict(context.machine),
            "threads": context.threads,
            "versions": versions_of("torch", "accelerate", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        facts = _facts(context, inputs)
        offered = candidates(facts)
        pilots = _Pilots(context, facts, offered, store, on_event)
        began = clock()
        plan = _plan(pilots, budget_s, on_event)

        def go_on(epochs: int) -> bool:
            next_one = pilots.costs.pilot_s + epochs * pilots.costs.epoch_s
            return clock() - began + next_one <= max(budget_s, plan.seconds)

        seed = context.recipe.seed
        found = race(
            plan.arms,
            controls=tuple(CONTROLS),
            evaluate=pilots.score,
            seeds=range(seed, seed + plan.seeds),
            rungs=plan.rungs,
            go_on=go_on,
        )
        advice = advise(found, controls=tuple(CONTROLS))
        decision = _write(work, advice, plan, offered, facts, seconds=clock() - began)
        on_event(Event("note", METHOD, decision.reason))
        return StageResult(
            files={DECISION_FILE: work / DECISION_FILE, ADVICE_FILE: work / ADVICE_FILE}
        )

    needs = [f"{STUDENT}/{STUDENT_FACTS}", f"{TEACHER}/{TEACHER_FACTS}"]
    if has_file(context):
        needs.append(f"{TEACHER}/{TEACHER_FILE}")
    return Stage(name=METHOD, version=1, parts=parts, compute=compute, needs=tuple(needs))


@dataclass(slots=True)
class _Pilots:
    """Trains pilots as stages over the teacher's stored outputs, and keeps what they cost."""

    context: Context
    facts: Facts
    offered: Candidates
    store: Store
    on_event: OnEvent
    views: int = 1
    costs: Costs = field(default_factory=lambda: Costs(pilot_s=0.0, epoch_s=0.0, view_s=0.0))
    done: int = 0

    def measure(self) -> None:
        """One pilot of one epoch, and one view: what everything else is reckoned from."""
        name, seed = LABELS, self.context.recipe.seed
        finished = self._run(name, seed, 1)
        pilot = finished[_stage_name(name, seed, 1)].entry
        epoch_s = EPOCH_ALLOWANCE * float(_epochs(pilot.meta)[0]["seconds"])
        views = view_names(self._context)
        self.costs = Costs(
            pilot_s=max(0.0, pilot.seconds - epoch_s),
            epoch_s=epoch_s,
            view_s=finished[views[0]].entry.seconds if views else 0.0,
        )

    def score(self, name: str, seed: int, epochs: int) -> float:
        """Validation accuracy at the end of one pilot; NaN where its loss diverged."""
        self.done += 1
        try:
            finished = self._run(name, seed, epochs)
        except TrainingDiverged:
            return math.nan
        history = _epochs(finished[_stage_name(name, seed, epochs)].entry.meta)
        accuracy = float(history[-1]["validation_accuracy"])
        said = f"pilot {self.done}: {name}, seed {seed}, {epochs} epochs: {100 * accuracy:.2f} %"
        self.on_event(Event("note", METHOD, said))
        return accuracy

    @property
    def _context(self) -> Context:
        loss: LossNode = (
            HardLoss(kind="hard") if self.facts.given == "hard labels" else KdLoss(kind="kd")
        )
        node = self.context.recipe.distill.model_copy(update={"loss": loss, "views": self.views})
        recipe = self.context.recipe.model_copy(update={"distill": node})
        return replace(self.context, recipe=recipe)

    def _run(self, name: str, seed: int, epochs: int) -> dict[str, Finished]:
        context = self._context
        loss = CONTROLS[name] if name in CONTROLS else self.offered.arms[name]
        views = view_names(context)[:epochs] if needs_scores(loss) else ()
        node = context.recipe.distill.model_copy(
            update={
                "loss": loss,
                "epochs": epochs,
                "seed": seed,
                "views": max(1, len(views)),
                "patience": None,
                "trackers": Trackers(),
            }
        )
        pilot = train_stage(context, _stage_name(name, seed, epochs), node, views)
        stages = (*teacher_stages(context), precision_stage(context), pilot)
        return run_stages(stages, store=self.store, on_event=self._tell)

    def _tell(self, event: Event) -> None:
        if event.kind in ("progress", "wait"):
            self.on_event(event)


def _plan(pilots: _Pilots, budget_s: float, on_event: OnEvent) -> Plan:
    pilots.measure()
    node, arms = pilots.context.recipe.distill, tuple(pilots.offered.arms)
    wanted = {"controls": len(CONTROLS), "epochs": node.epochs, "views": node.views}
    plan = plan_pilots(arms, costs=pilots.costs, budget_s=budget_s, **wanted)
    if plan is None:
        least = smallest_budget(arms, costs=pilots.costs, **wanted)
        raise InputError(
            f"no race fits in {format_duration(budget_s)}: an epoch takes "
            f"{format_duration(pilots.costs.epoch_s)} here",
            where="budget",
            cure=f"give it {math.ceil(least / 60)}min or more",
        )
    pilots.views = min(node.views, plan.rungs[-1])
    rounds = " and ".join(str(length) for length in plan.rungs)
    on_event(
        Event(
            "note",
            METHOD,
            f"races {len(plan.arms)} methods and {len(CONTROLS)} controls on {plan.seeds} seeds in "
            f"rounds of {rounds} epochs: about {format_duration(plan.seconds)}",
        )
    )
    return plan


def _facts(context: Context, inputs: Inputs) -> Facts:
    student = inputs.json(STUDENT, STUDENT_FACTS)["macs"]
    gap = None
    if has_file(context):
        teacher = count_macs(onnx.load(inputs.path(TEACHER, TEACHER_FILE)))
        gap = teacher / student if teacher and student else None
    given = _GIVEN[inputs.json(TEACHER, TEACHER_FACTS)["gives"]]
    return Facts(given=given, classes=len(context.task.classes), gap=gap)


def _write(
    work: Path, advice: Advice, plan: Plan, offered: Candidates, facts: Facts, *, seconds: float
) -> Decision:
    loss = CONTROLS.get(advice.chosen) or offered.arms[advice.chosen]
    about = {
        "loss": loss.model_dump(mode="json"),
        "advice": asdict(advice),
        "plan": asdict(plan),
        "offered": list(offered.arms),
        "left_out": dict(offered.left_out),
        "facts": asdict(facts),
        "seconds": round(seconds, 1),
    }
    write_json(work / ADVICE_FILE, about)
    decision = Decision(
        question=METHOD,
        chosen=advice.chosen,
        reason=advice.reason,
        evidence={"seeds": plan.seeds, "rounds": list(plan.rungs), "helps": advice.helps},
    )
    write_decision(work, decision)
    return decision


def _epochs(meta: Mapping[str, Json]) -> list[dict[str, float]]:
    history = meta["history"]
    assert isinstance(history, dict)
    epochs = history["epochs"]
    assert isinstance(epochs, list)
    return epochs


def _stage_name(arm: str, seed: int, epochs: int) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", arm.lower()).strip("-")
    return f"pilot-{slug}-{seed}-{epochs}"
