"""Short trainings of plans: what they reach, how long an epoch of each takes, and for how long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from compress.search.ledger import Account, Asked, Ledger
from compress.search.predict import Operator, Table
from compress.search.space import Plan

PILOTS = "pilots"
DIVERGED = "its training diverged"
_TRAINING, _PACE = "training", "pace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """The longest training that a plan had in the race. accuracy: the mean over its seeds."""

    accuracy: float
    epochs: int
    seconds: float


@dataclass(slots=True)
class Trainer:
    """Asks for pilots, learns what an epoch of a structure takes, and keeps count of the time.

    pace(plan): about what an epoch takes, in seconds, by a few steps; without it pilots alone tell.
    failed: why a training of a plan failed, of those that did.
    """

    ledger: Ledger
    operators: Callable[[Plan], Sequence[Operator]] | None
    most_epochs: int
    pace: Callable[[Plan], float] | None = None
    clock: Callable[[], float] = time.monotonic
    spent: Account = field(default_factory=Account)
    start_s: float = 0.0
    failed: dict[Plan, str] = field(default_factory=dict)
    _table: Table = field(default_factory=Table)
    _epoch_s: dict[Plan, float] = field(default_factory=dict)
    _paces: dict[Plan, float] = field(default_factory=dict)
    _known: dict[Asked, tuple[float, float]] = field(default_factory=dict)  # accuracy, seconds

    @property
    def pilots(self) -> dict[Plan, Pilot]:
        """Of each plan, by its longest trainings."""
        longest: dict[Plan, int] = {}
        for one in self._known:
            longest[one.plan] = max(one.epochs, longest.get(one.plan, 0))
        return {plan: self._pilot(plan, epochs) for plan, epochs in longest.items()}

    def run(self, plan: Plan, *, seed: int, epochs: int) -> float:
        """The accuracy of one pilot."""
        asked = Asked(plan=plan, seed=seed, epochs=epochs)
        self.run_all((asked,))
        return self._known[asked][0]

    def run_all(self, pilots: Sequence[Asked]) -> None:
        """Several that do not wait for each other."""
        new = [one for one in dict.fromkeys(pilots) if one not in self._known]
        answers, seconds = self.ledger.scored(new)
        self.spent.add(
            [
                scored.parts or {PILOTS: one.seconds(scored)}
                for one, scored in zip(new, answers, strict=True)
            ],
            seconds=seconds,
        )
        for one, scored in zip(new, answers, strict=True):
            self._known[one] = (scored.accuracy, one.seconds(scored))
            if not math.isfinite(scored.accuracy):
                self.failed[one.plan] = scored.failed or DIVERGED
            self.start_s = max(self.start_s, scored.start_s)
            self._epoch_s[one.plan] = scored.epoch_s
            if self.operators is not None and scored.epoch_s > 0:
                self._table.learn(_TRAINING, self.operators(one.plan), scored.epoch_s)

    def look_at(self, plans: Sequence[Plan]) -> None:
        """A few steps of each: what an epoch of them, and of others like them, will take."""
        if self.pace is None:
            return
        for plan in plans:
            began = self.clock()
            own = {"pace": self.pace(plan), "seconds": self.clock() - began}
            said = self.ledger.agreed(f"the pace of {plan.name}", own)
            self.spent.add([{PILOTS: said["seconds"]}], seconds=said["seconds"])
            if not said["pace"] > 0:  # NaN: unknown
                continue
            self._paces[plan] = said["pace"]
            if self.operators is not None:
                self._table.learn(_PACE, self.operators(plan), said["pace"])

    def quickest(self, plans: Sequence[Plan]) -> Plan | None:
        """Of those that were looked at, by an epoch; None where none was."""
        looked = [plan for plan in plans if plan in self._paces]
        return min(looked, key=self._paces.__getitem__, default=None)

    def has_measured(self, plan: Plan) -> bool:
        """Whether what an epoch of it takes is no prediction."""
        return plan in self._epoch_s

    def epoch_s(self, plan: Plan) -> float:
        """Measured, or predicted from the others by its pace or its operators."""
        if plan in self._epoch_s:
            return self._epoch_s[plan]
        pace = self._pace(plan)
        known = [
            (self._epoch_s[one], self._paces[one]) for one in self._epoch_s if one in self._paces
        ]
        if pace is not None and known:
            # Steps may be faster in half precision; what is not a step takes the same for all.
            guesses = [pace * min(1.0, took / own) + max(0.0, took - own) for took, own in known]
            return sum(guesses) / len(guesses)
        predicted = None
        if self.operators is not None:
            predicted = self._table.predict(_TRAINING, self.operators(plan))
        # By the mean of the others, where shapes are unknown.
        return predicted or sum(self._epoch_s.values()) / len(self._epoch_s)

    def _pace(self, plan: Plan) -> float | None:
        if plan in self._paces or self.operators is None:
            return self._paces.get(plan)
        return self._table.predict(_PACE, self.operators(plan))

    def epochs_in(self, plan: Plan, seconds: float) -> int:
        """As many as fit, at least one."""
        fitting = round(seconds / max(1e-6, self.epoch_s(plan)))
        return max(1, min(self.most_epochs, fitting))

    def _pilot(self, plan: Plan, epochs: int) -> Pilot:
        found = [v for one, v in self._known.items() if (one.plan, one.epochs) == (plan, epochs)]
        accuracy, seconds = (sum(values) / len(found) for values in zip(*found, strict=True))
        return Pilot(accuracy=accuracy, epochs=epochs, seconds=seconds)
