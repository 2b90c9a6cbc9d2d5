"""Which method suits: a race of short pilots, each a stage of its own, and what it says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from compress.errors import InputError, TrainingDiverged
from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, write_decision
from compress.pipeline.stage import Finished, Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.glance import view_seconds
from compress.pipeline.stages.method_facts import facts_of
from compress.pipeline.stages.student import FACTS as STUDENT_FACTS
from compress.pipeline.stages.student import STUDENT
from compress.pipeline.stages.teacher import FACTS as TEACHER_FACTS
from compress.pipeline.stages.teacher import (
    TEACHER,
    TEACHER_FILE,
    has_file,
    stored_views,
    teacher_stages,
    view_names,
)
from compress.pipeline.stages.training import precision_stage, train_stage, what_is_trained
from compress.recipe.loss_needs import needs_scores, taps_of
from compress.recipe.loss_nodes import HardLoss, KdLoss, LossNode
from compress.recipe.nodes import Trackers
from compress.recipe.units import format_duration
from compress.search.advice import Advice, advise
from compress.search.candidates import LABELS, Arm, Candidates, Facts, candidates, from_stored
from compress.search.pilots import Costs, Plan
from compress.search.timed_race import Entrants, Held, race_within
from compress.store.keys import Json
from compress.teachers.build import teacher_digest
from compress.values import Decision
from exporters.atomic import write_json
from exporters.events import Event

METHOD = "method"
ADVICE_FILE = "advice.json"
EPOCH_ALLOWANCE = 1.1  # validation and statistics come on top of an epoch's own seconds
TOLD = 5.0  # seconds; a shorter time is over before it is read
ONLINE_ALLOWANCE = 1.5  # torch answers batches of the training, onnxruntime its best ones


def method_stage(
    context: Context, *, budget_s: float, runner: StageRunner, stored: bool = False
) -> Stage:
    """Hold the race within budget_s seconds. Its pilots are stored one by one, so a stopped race
    goes on; InputError where no race fits, naming the smallest budget that does. stored: without
    methods that ask the teacher for more than its stored outputs."""
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
            **({"stored": True} if stored else {}),
            "machine": dict(context.machine),
            "threads": context.threads,
            "versions": versions_of("torch", "accelerate", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        facts = facts_of(context, inputs)
        offered = from_stored(candidates(facts)) if stored else candidates(facts)
        view_s = view_seconds(context, inputs)
        if view_s is not None and view_s > TOLD:
            said = f"the teacher's answers to one view, if not stored: {format_duration(view_s)}"
            on_event(Event("note", METHOD, f"measures first what a pilot costs; {said}"))
        pilots = _Pilots(context, facts, offered, runner, on_event)
        node = context.recipe.distill
        held = race_within(
            budget_s,
            Entrants(
                arms=tuple(offered.arms),
                controls=tuple(offered.controls),
                epochs=node.epochs,
                views=node.views,
                own_views=[name for name, arm in offered.arms.items() if arm.mixup is not None],
                online=[name for name, arm in offered.arms.items() if pilots.asks(arm)],
            ),
            pilots,
            first_seed=context.recipe.seed,
            tell=lambda said: on_event(Event("note", METHOD, said)),
        )
        advice = advise(held.race, controls=tuple(offered.controls))
        decision = _write(work, advice, held, offered, facts)
        on_event(Event("note", METHOD, decision.reason))
        return StageResult(
            files={DECISION_FILE: work / DECISION_FILE, ADVICE_FILE: work / ADVICE_FILE}
        )

    needs = [f"{STUDENT}/{STUDENT_FACTS}", f"{TEACHER}/{TEACHER_FACTS}"]
    if has_file(context):
        needs.append(f"{TEACHER}/{TEACHER_FILE}")
    return Stage(name=METHOD, version=4, parts=parts, compute=compute, needs=tuple(needs))


@dataclass(slots=True)
class _Pilots:
    """Trains pilots as stages over the teacher's stored outputs, and keeps what they cost."""

    context: Context
    facts: Facts
    offered: Candidates
    runner: StageRunner
    on_event: OnEvent
    views: int = 1
    done: int = 0

    def measure(self) -> Costs:
        """One pilot of one epoch, and one view: what everything else is reckoned from."""
        reuse = self.context.recipe.distill.reuse_teacher_outputs
        # Where nothing is stored every method asks its teacher in the loop: one of them is timed.
        name = LABELS if reuse else next(iter(self.offered.arms))
        seed = self.context.recipe.seed
        finished = self._run(name, seed, 1)
        pilot = finished[_stage_name(name, seed, 1)].entry
        epoch_s = EPOCH_ALLOWANCE * float(_epochs(pilot.meta)[0]["seconds"])
        views = stored_views(self._context_of(self._arm(name)))  # of each of several teachers
        view_s = sum(finished[view.stage].entry.seconds for view in views)
        return Costs(
            pilot_s=max(0.0, pilot.seconds - epoch_s),
            epoch_s=epoch_s,
            view_s=view_s,
            online_s=ONLINE_ALLOWANCE * view_s,
        )

    def asks(self, arm: Arm) -> bool:
        """Whether an arm costs more than the others, since it alone asks in the loop."""
        return self.context.recipe.distill.reuse_teacher_outputs and bool(taps_of(arm.loss))

    def begin(self, plan: Plan) -> None:
        """As many views as the longest pilot has epochs, stored now: no pilot then takes longer
        than it is thought to."""
        self.views = min(self.context.recipe.distill.views, plan.rungs[-1])
        arms = [self._arm(name) for name in plan.arms]
        plain = [arm for arm in arms if arm.mixup is None]
        for arm in (*plain[:1], *(one for one in arms if one.mixup is not None)):
            stages = teacher_stages(self._context_of(arm))
            self.runner.run(stages, on_event=self._tell)

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

    def _arm(self, name: str) -> Arm:
        return self.offered.controls.get(name) or self.offered.arms[name]

    def _context_of(self, arm: Arm) -> Context:
        """The recipe with the views that an arm learns from, whatever its loss."""
        loss: LossNode = (
            HardLoss(kind="hard") if self.facts.given == "hard labels" else KdLoss(kind="kd")
        )
        node = self.context.recipe.distill
        changes = {"loss": loss, "views": self.views, "mixup": arm.mixup or node.mixup}
        recipe = self.context.recipe.model_copy(update={"distill": node.model_copy(update=changes)})
        return replace(self.context, recipe=recipe)

    def _run(self, name: str, seed: int, epochs: int) -> dict[str, Finished]:
        arm = self._arm(name)
        context, loss = self._context_of(arm), arm.loss
        stored = needs_scores(loss) and not self.asks(arm)
        views = view_names(context)[:epochs] if stored else ()
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
        return self.runner.run(stages, on_event=self._tell)

    def _tell(self, event: Event) -> None:
        if event.kind in ("progress", "wait", "test-read"):
            self.on_event(event)


def _write(work: Path, advice: Advice, held: Held, offered: Candidates, facts: Facts) -> Decision:
    arm, plan = offered.controls.get(advice.chosen) or offered.arms[advice.chosen], held.plan
    about = {
        "loss": arm.loss.model_dump(mode="json"),
        "mixup": arm.mixup,
        "advice": asdict(advice),
        "plan": asdict(plan),
        "offered": list(offered.arms),
        "left_out": dict(offered.left_out),
        "facts": asdict(facts),
        "measured_s": round(held.measured_s, 1),
        "seconds": round(held.seconds, 1),
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
