"""`student: {kind: auto}`: screens, races and trains, each a stage, and says what won."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, write_decision
from compress.pipeline.limits import limits_of
from compress.pipeline.outlook import Outlook, floor_of
from compress.pipeline.search_space import check_search, space_of
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.candidates import TEACHING, Candidates
from compress.pipeline.stages.confirming import confirm
from compress.pipeline.stages.losses import RACE, race_seconds
from compress.pipeline.stages.screening import BUILDING, Screener
from compress.pipeline.stages.set_aside import (
    after_seconds,
    finish_seconds,
    has_time_to_look_again,
)
from compress.pipeline.stages.teacher import TEACHER
from compress.pipeline.study import STUDY_FILE, study_name, study_place
from compress.pipeline.tried import trials_of
from compress.pipeline.within_time import hold_within
from compress.recipe.loss_nodes import AutoLoss
from compress.recipe.nodes import AutoStudent
from compress.recipe.units import format_duration, parse_duration
from compress.report.search import BOOKKEEPING
from compress.search.books import Books
from compress.search.confirm import Confirmed
from compress.search.ledger import Account, Alone
from compress.search.screening import Screening
from compress.search.solve import Found
from compress.search.space import Plan
from compress.search.study import Study, open_study
from compress.search.trainer import Trainer
from compress.store.keys import Json
from compress.students.factories.make import VERSION
from compress.teachers.build import teacher_digest
from compress.trials import SearchFacts
from compress.values import Decision
from exporters.atomic import write_json
from exporters.events import Event

SEARCH = "search"
SEARCH_FILE, METHOD_FILE = "search.json", "method.json"
WAITING = "waiting for other machines"
_VERSION = 17  # of the stage, and of what machines share


def search_stage(
    context: Context, *, runner: StageRunner, clock: Callable[[], float] = time.monotonic
) -> Stage:
    """Find the student. What it trains and times is stored one by one, so that a stopped search
    goes on; its account of time is that of the stored work, and so the same after a stop."""
    node = context.recipe.student
    assert isinstance(node, AutoStudent)
    check_search(context)
    study_place(context.recipe.search.study, folder=context.folder, work=context.cache)
    seconds = parse_duration(context.recipe.search.time)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        recipe, teacher = context.recipe, context.recipe.teacher
        settings = recipe.distill.model_dump(mode="json", exclude={"checkpoint_every", "trackers"})
        return {
            "student": node.model_dump(mode="json"),
            "families": VERSION,
            "search": recipe.search.model_dump(mode="json", exclude={"study"}),
            "teacher": teacher and teacher_digest(teacher, folder=context.folder),
            "data": context.task.fingerprint,
            "task": recipe.task.model_dump(mode="json"),
            "distill": settings,
            "quantize": recipe.quantize.model_dump(mode="json"),
            "export": recipe.export.model_dump(mode="json"),
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
        place = study_place(context.recipe.search.study, folder=context.folder, work=work)
        name = study_name(context.recipe.name, {**parts(inputs), "stage": _VERSION})
        with _Search(context, runner, on_event, seconds, clock) as search:
            found, seen = search.run(place, name)
        raced = search.raced
        facts = {
            "student": found.plan.student.model_dump(mode="json"),
            "scheme": found.plan.scheme,
            "epochs": found.epochs,
            **({} if raced is None else {"loss": raced["loss"], "mixup": raced["mixup"]}),
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
        if raced is not None and raced["decision"] is not None:
            write_json(work / METHOD_FILE, raced["decision"])
            files[METHOD_FILE] = work / METHOD_FILE
        if context.recipe.search.study is None:
            files[STUDY_FILE] = work / STUDY_FILE
        return StageResult(files=files)

    return Stage(name=SEARCH, version=_VERSION, parts=parts, compute=compute)


def words(seconds: float) -> str:
    """ "40 min"."""
    return f"{seconds / 60:.3g} min" if seconds >= 60 else format_duration(round(seconds, 1))


@dataclass(slots=True)
class _Search:
    """One search over real candidates. spent: of what no pilot and no screening is. raced: what the
    losses' race has said, or the first loss where none was held; None without `loss: auto`."""

    context: Context
    runner: StageRunner
    on_event: OnEvent
    seconds: float
    clock: Callable[[], float]
    spent: Account = field(default_factory=Account)
    raced: Mapping[str, Any] | None = None
    _race_s: float = 0.0  # of a race that is still to be held
    _candidates: Candidates = field(init=False)
    _screener: Screener = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> _Search:
        self._candidates = Candidates(self.context, self.runner, self.on_event, self.clock)
        screener = Screener(self.context, self._candidates.taught, self.runner, self.on_event)
        self._screener = self._stack.enter_context(screener)
        return self

    def __exit__(self, *about: object) -> None:
        self._stack.close()

    def run(self, place: str, name: str) -> tuple[Found, SearchFacts]:
        """The plan for the ordinary stages, and what the report says."""
        began = self.clock()
        space, recipe = space_of(self.context), self.context.recipe
        parts_s = self.clock() - began  # the teacher is traced and cut, to see what can be made
        self._screener.worked_s += parts_s
        ledger = self._stack.enter_context(
            open_study(
                place,
                name,
                space,
                Alone(self._screener.screen, self._candidates.pilot),
                worker=f"{socket.gethostname()} {self.context.cache}",
                private=recipe.search.study is None,
                fresh=self.runner.fresh,
                on_wait=lambda: self.on_event(Event("wait", SEARCH, "waits for another machine")),
            )
        )
        parts = ledger.agreed("the teacher's parts", {"seconds": parts_s})
        self.spent.parts[BUILDING] = parts["seconds"]
        taught = ledger.agreed(TEACHING, {"seconds": self._candidates.teach(self.seconds)})
        self.spent.parts[TEACHING] = taught["seconds"]
        if isinstance(recipe.distill.loss, AutoLoss):
            self._race_s = race_seconds(recipe, recipe.distill.loss)
            first = self._candidates.context.recipe.distill.loss
            self.raced = {"loss": first.model_dump(mode="json"), "mixup": None, "decision": None}
        trainer = Trainer(
            ledger=ledger,
            operators=self._screener.operators,
            most_epochs=recipe.distill.epochs,
            pace=self._candidates.pace,
            clock=self.clock,
        )
        screening = Screening(
            limits=tuple(limits_of(recipe.budgets)),
            ledger=ledger,
            operators=self._screener.operators,
        )

        books = Books(ledger, lambda: self._besides(ledger, began))

        def spent() -> float:
            own = self.spent.seconds + self._race_s + books.seconds()
            return own + screening.spent.seconds + trainer.spent.seconds

        def finish(found: Found) -> Outlook | None:
            self._race(found, ledger)
            own = asdict(self._candidates.finish(found))
            said = ledger.agreed(f"{found.plan.name}, {found.epochs} epochs", own)
            self.spent.add([said["parts"]], seconds=sum(said["parts"].values()))
            if said["seen"] is None:
                trainer.failed[found.plan] = said["failed"]
                return None
            return Outlook(**said["seen"])

        def look_again(plan: Plan) -> Confirmed:
            own = asdict(confirm(self._screener, plan))
            said = Confirmed(**ledger.agreed(f"{plan.name} in fresh processes", own))
            if said.failed:
                trainer.failed[plan] = said.failed
            return said

        # Where speed is limited.
        again = any(one.timed for one in screening.limits) and has_time_to_look_again(
            self.context, self._screener.cells, seconds=self.seconds
        )
        held = hold_within(
            self.seconds,
            space,
            recipe.budgets,
            screening=screening,
            trainer=trainer,
            finish=finish,
            spent=spent,
            reserve_s=after_seconds(self.context),
            finish_s=finish_seconds(self.context),
            trainings=1 + self.context.controls.labels_only,
            seed=recipe.seed,
            seeds=recipe.search.seeds,
            confirm=look_again if again else None,
            floor=floor_of(recipe.budgets, teacher=self._candidates.taught.get(TEACHER)),
        )
        found, seen = held.found, held.seen
        for account in (screening.spent, trainer.spent):
            self.spent.add([account.parts], seconds=account.seconds)
        if ledger.waited_s:
            self.spent.parts[WAITING] = ledger.waited_s
        self.spent.parts[BOOKKEEPING] = books.seconds()
        return found, SearchFacts(
            chosen=found.plan.name,
            reason=_reason(found, seen, held.binding),
            binding=held.binding,
            trials=trials_of(screening, trainer, found, seen),
            relaxations=held.relaxed,
            not_made={plan.name: one.failed for plan, one in screening.seen.items() if one.failed},
            reached=seen.accuracy,
            aim=seen.aim,
            stated_s=self.seconds,
            spent_s={name: round(value, 2) for name, value in self.spent.parts.items()},
        )

    def _race(self, found: Found, ledger: Study) -> None:
        """Once, and only for a student that keeps to the limits."""
        budget_s, self._race_s = self._race_s, 0.0
        if budget_s and found.fits:
            own = self._candidates.race_losses(found, budget_s=budget_s)
            self.raced = ledger.agreed("the race of losses", own)
            self.spent.add([{RACE: self.raced["seconds"]}], seconds=self.raced["seconds"])
            self._candidates.learn_by(self.raced)

    def _besides(self, ledger: Study, began: float) -> float:
        """What this process did besides, in seconds."""
        worked = self._candidates.worked_s + self._screener.worked_s
        return max(0.0, self.clock() - began - worked - ledger.waited_s)


def _reason(found: Found, seen: Outlook, binding: str | None) -> str:
    raced = sum(math.isfinite(pilot.accuracy) for pilot in found.pilots.values())
    reached = f"{100 * seen.accuracy:.2f} % on validation after {found.epochs} epochs"
    if binding is None:
        return f"the best of {raced} that were trained of those that keep to the budgets; {reached}"
    expected = f"none of which is expected to meet `{binding}`"
    return f"the best of {raced} that were trained, {expected}; {reached}"
