"""A ledger in a database: each candidate and each pilot is a trial of an optuna study.

The first process queues what it asks for as waiting trials, and whichever is free takes the next
one. All go by the answers in the study alone, so all ask the same and find the same. A trial whose
process has died is queued again; another process queues where the first one is not heard of.
optuna keeps the trials, hands each to one taker and shows them; no sampler decides anything here.
States: PRUNED was timed, or failed in its training; COMPLETE was trained, FAIL gave no answer.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from compress.errors import InputError
from compress.search.database import WHERE, open_database
from compress.search.ledger import Alone, Asked, Scored, Screened
from compress.search.space import Plan, Space

if TYPE_CHECKING:
    import optuna

PATIENCE_S = 30.0  # for the first process to queue
POLL_S = (0.05, 2.0)  # between looks at what others do: at first, at most
HEARTBEAT_S, DEAD_S = 10, 60  # a process that shows no sign of life for so long is dead
_ASKED, _ANSWER, _BY, _AGREED, _BEAT = "asked", "answer", "by", "agreed", "beat"


@contextmanager
def open_study(
    place: str,
    name: str,
    space: Space,
    alone: Alone,
    *,
    worker: str | None = None,
    private: bool = False,
    fresh: bool = False,
    on_wait: Callable[[], None] = lambda: None,
) -> Iterator[Study]:
    """The study of this name in a database, made where there is none.

    place: a path, or `postgresql://host/base`. worker: the same after a stop. private: no
    other process has it open, so a trial that is running belongs to one that was killed. fresh:
    nothing may be answered yet.
    Raises InputError where something is, and where the database can't be opened.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # else it prints a line for each trial
    with open_database(place) as storage:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            sampler=optuna.samplers.RandomSampler(),
            directions=["maximize", "minimize"],
            load_if_exists=True,
        )
        if fresh and study.get_trials(deepcopy=False):
            cure = "name another, or run without --fresh to go on from them"
            raise InputError(f"{place} holds answers of this search", where=WHERE, cure=cure)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(["accuracy", "p50_ms"])
        if private:
            states = optuna.trial.TrialState
            for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
                study.tell(trial.number, state=states.FAIL)
        worker = worker or f"{socket.gethostname()} {os.getpid()}"
        yield Study(study=study, space=space, alone=alone, worker=worker, on_wait=on_wait)


@dataclass(slots=True)
class Study:
    """A ledger that several processes share. waited_s: for what others had taken."""

    study: optuna.Study
    space: Space
    alone: Alone
    worker: str
    on_wait: Callable[[], None]
    waited_s: float = 0.0
    _queues: bool | None = None
    _p50_ms: dict[Plan, float] = field(default_factory=dict)
    _signs: dict[tuple[int, int], float] = field(default_factory=dict)  # of life: when first seen

    def screened(self, plans: Sequence[Plan]) -> tuple[Sequence[Screened], float]:
        """As Ledger."""
        given = self._answers([_question(plan) for plan in plans])
        found = [Screened(**one[_ANSWER]) for one in given]
        self._p50_ms |= {plan: one.p50_ms for plan, one in zip(plans, found, strict=True)}
        return found, _elapsed(given, [one.seconds for one in found])

    def scored(self, pilots: Sequence[Asked]) -> tuple[Sequence[Scored], float]:
        """As Ledger."""
        given = self._answers([_question(one.plan, one) for one in pilots])
        found = [Scored(**one[_ANSWER]) for one in given]
        took = [one.seconds(scored) for one, scored in zip(pilots, found, strict=True)]
        return found, _elapsed(given, took)

    def agreed(self, what: str, own: Mapping[str, Any]) -> Mapping[str, Any]:
        """As Ledger."""
        import optuna

        def said() -> Iterator[Mapping[str, Any]]:
            for trial in self.study.get_trials(deepcopy=False):
                if trial.user_attrs.get(_AGREED) == what:
                    yield trial.user_attrs[_ANSWER]

        if not any(True for _ in said()):
            word = {_AGREED: what, _ANSWER: dict(own), _BY: self.worker}
            pruned = optuna.trial.TrialState.PRUNED
            self.study.add_trial(optuna.trial.create_trial(state=pruned, user_attrs=word))
        return next(said())

    def _answers(self, questions: Sequence[str]) -> list[Mapping[str, Any]]:
        """What the study holds of each, once somebody has answered it."""
        pause_s, most_s = POLL_S
        began = time.monotonic()
        while True:
            answered, taken = self._read()
            if all(question in answered for question in questions):
                return [answered[question] for question in questions]
            new = [one for one in questions if one not in answered and one not in taken]
            if new and self._is_first(time.monotonic() - began):
                for question in new:
                    self._queue(question)
            if not self._take_one():
                if pause_s == POLL_S[0]:
                    self.on_wait()
                self._wait(pause_s)
                pause_s = min(2 * pause_s, most_s)

    def _is_first(self, waited_s: float) -> bool:
        """Whether this process queues: several would queue the same at once."""
        if self._queues is None:
            self._queues = self.agreed("first", {"worker": self.worker})["worker"] == self.worker
        self._queues = self._queues or waited_s > PATIENCE_S
        return self._queues

    def _read(self) -> tuple[dict[str, Mapping[str, Any]], set[str]]:
        """(answers by question, questions that are queued or in hand)."""
        answered: dict[str, Mapping[str, Any]] = {}
        taken = set()
        for trial in self.study.get_trials(deepcopy=False):
            question = trial.user_attrs.get(_ASKED)
            if question is not None and _ANSWER in trial.user_attrs:
                answered.setdefault(question, trial.user_attrs)
            elif question is not None and not trial.state.is_finished():
                taken.add(question)
        return answered, taken

    def _queue(self, question: str) -> None:
        from optuna.distributions import CategoricalDistribution as Of
        from optuna.distributions import IntDistribution as From
        from optuna.trial import TrialState, create_trial

        plan, pilot = self._meant(question)
        structures = self.space.structures
        widths = [width for one in structures for width in one.widths]
        depths = [one.depth for one in structures]
        trial = create_trial(
            state=TrialState.WAITING,
            params={
                "structure": plan.structure.name,
                "depth": plan.structure.depth,
                "width": plan.width,
                "scheme": plan.scheme,
            },
            distributions={
                "structure": Of([one.name for one in structures]),
                "depth": From(min(depths), max(depths)),
                "width": From(min(widths), max(widths)),
                "scheme": Of(self.space.schemes),
            },
            user_attrs={
                _ASKED: question,
                "candidate": plan.name,
                "step": "screening" if pilot is None else "pilot",
                **({} if pilot is None else {"seed": pilot.seed, "epochs": pilot.epochs}),
            },
        )
        self.study.add_trial(trial)

    def _take_one(self) -> bool:
        """Take a waiting trial and finish it; False where none waits."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        if not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            return False
        trial = self.study.ask()
        question = trial.user_attrs.get(_ASKED)
        if question is None or self._is_asked_before(question, trial.number):
            self.study.tell(trial, state=TrialState.FAIL)  # somebody else was quicker
            return True
        plan, pilot = self._meant(question)
        found: Screened | Scored
        try:
            with _beating(trial):
                if pilot is None:
                    found = self.alone.screen(plan)
                else:
                    found = self.alone.evaluate(plan, seed=pilot.seed, epochs=pilot.epochs)
        except BaseException:
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            raise
        with suppress(UpdateFinishedTrialError):  # it was taken for dead, and another has it
            trial.set_user_attr(_BY, self.worker)
            trial.set_user_attr(_ANSWER, asdict(found))
            if isinstance(found, Scored) and math.isfinite(found.accuracy):
                self.study.tell(trial, (found.accuracy, self._p50_ms.get(plan, math.inf)))
            else:
                self.study.tell(trial, state=TrialState.PRUNED)
        return True

    def _is_asked_before(self, question: str, number: int) -> bool:
        return any(
            trial.number < number
            and trial.user_attrs.get(_ASKED) == question
            and (_ANSWER in trial.user_attrs or not trial.state.is_finished())
            for trial in self.study.get_trials(deepcopy=False)
        )

    def _wait(self, pause_s: float) -> None:
        began = time.monotonic()
        self._give_up_the_dead(began)
        time.sleep(pause_s)
        self.waited_s += time.monotonic() - began

    def _give_up_the_dead(self, now: float) -> None:
        """Trials whose process has shown no sign of life for DEAD_S, by this process' own clock."""
        from optuna.trial import TrialState

        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            sign = (trial.number, trial.user_attrs.get(_BEAT, 0))
            if now - self._signs.setdefault(sign, now) > DEAD_S:
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def _meant(self, question: str) -> tuple[Plan, Asked | None]:
        said: dict[str, Any] = json.loads(question)
        structure = next(one for one in self.space.structures if one.name == said["structure"])
        plan = Plan(structure=structure, width=said["width"], scheme=said["scheme"])
        if "epochs" not in said:
            return plan, None
        return plan, Asked(plan=plan, seed=said["seed"], epochs=said["epochs"])


def _question(plan: Plan, pilot: Asked | None = None) -> str:
    said: dict[str, Any] = {
        "structure": plan.structure.name,
        "width": plan.width,
        "scheme": plan.scheme,
    }
    if pilot is not None:
        said |= {"seed": pilot.seed, "epochs": pilot.epochs}
    return json.dumps(said)


@contextmanager
def _beating(trial: optuna.Trial) -> Iterator[None]:
    """Shows that this process is alive. optuna's own heartbeat is experimental, and a process that
    is killed before its first one is alive for ever there."""
    over = threading.Event()

    def beat() -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        with suppress(UpdateFinishedTrialError):
            for count in itertools.count(1):
                if over.wait(HEARTBEAT_S):
                    return
                trial.set_user_attr(_BEAT, count)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _elapsed(given: Sequence[Mapping[str, Any]], seconds: Sequence[float]) -> float:
    """Each process answers one after another, all at the same time."""
    by: dict[str, float] = {}
    for one, took in zip(given, seconds, strict=True):
        by[one[_BY]] = by.get(one[_BY], 0.0) + took
    return max(by.values(), default=0.0)
