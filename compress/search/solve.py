"""Budgets in, plan out: screen what needs no training, race what is left, finish the winner.

`solve` calls functions and nothing else; `compress/pipeline/stages/search.py` gives it real
ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from compress.search.predict import Operator, Table
from compress.search.race import Race, race
from compress.search.screening import Limit, Screened, Screening, excess
from compress.search.space import Plan, Space

SCREENING, RACING = 0.2, 0.3  # parts of the time
ROUNDS = (1, 2)  # lengths of the rounds
MOST_ARMS = 6
LEARNT = 8  # epochs of the training in full: a wider network that gets fewer would learn less
SAME = 1.25  # times as long is about as long
ENOUGH = 0.8  # epochs of the first round: with fewer, arms are left out instead
_TRAINING = "training"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """accuracy: in [0, 1] on validation, of the file that would be shipped; NaN: it diverged.

    epoch_s: of one epoch; start_s: of the rest of the pilot.
    """

    accuracy: float
    epoch_s: float
    start_s: float


class Evaluate(Protocol):
    def __call__(self, plan: Plan, *, seed: int, epochs: int) -> Scored:
        """Train a plan briefly, store it in its scheme, and look at validation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """The longest training that a plan had in the race."""

    accuracy: float
    epochs: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is trained in full. fits: speed and size are within their limits by what was screened.

    epochs: that the time left allows. pilots: of all that were raced.
    """

    plan: Plan
    fits: bool
    epochs: int
    epoch_s: float
    pilots: Mapping[Plan, Pilot]


@dataclass(slots=True)
class Trainer:
    """Runs pilots, learns what an epoch of a structure takes, and keeps count of the seconds."""

    evaluate: Evaluate
    operators: Callable[[Plan], Sequence[Operator]] | None
    most_epochs: int
    seconds: float = 0.0
    start_s: float = 0.0
    pilots: dict[Plan, Pilot] = field(default_factory=dict)
    _table: Table = field(default_factory=Table)
    _epoch_s: dict[Plan, float] = field(default_factory=dict)
    _known: dict[tuple[Plan, int, int], float] = field(default_factory=dict)

    def run(self, plan: Plan, *, seed: int, epochs: int) -> float:
        """The accuracy of one pilot."""
        if (plan, seed, epochs) in self._known:
            return self._known[plan, seed, epochs]
        scored = self.evaluate(plan, seed=seed, epochs=epochs)
        self._known[plan, seed, epochs] = scored.accuracy
        spent = scored.start_s + epochs * scored.epoch_s
        self.seconds += spent
        self.start_s = max(self.start_s, scored.start_s) if self.start_s else scored.start_s
        self._epoch_s[plan] = scored.epoch_s
        if self.operators is not None and scored.epoch_s > 0:
            self._table.learn(_TRAINING, self.operators(plan), scored.epoch_s)
        before = self.pilots.get(plan)
        if before is None or epochs >= before.epochs:
            self.pilots[plan] = Pilot(accuracy=scored.accuracy, epochs=epochs, seconds=spent)
        return scored.accuracy

    def epoch_s(self, plan: Plan) -> float:
        """Measured, or predicted from the others by its operators."""
        if plan in self._epoch_s:
            return self._epoch_s[plan]
        predicted = None
        if self.operators is not None:
            predicted = self._table.predict(_TRAINING, self.operators(plan))
        # By the mean of the others, where shapes are unknown.
        return predicted or sum(self._epoch_s.values()) / len(self._epoch_s)

    def epochs_in(self, plan: Plan, seconds: float) -> int:
        """As many as fit, at least one."""
        fitting = round(seconds / max(1e-6, self.epoch_s(plan)))
        return max(1, min(self.most_epochs, fitting))


def choose(
    space: Space,
    *,
    screening: Screening,
    trainer: Trainer,
    seconds: float,
    spent: Callable[[], float],
    reserve_s: float,
    seed: int = 0,
) -> Found:
    """The plan to train in full, the most accurate of those that keep to the limits.

    seconds: of the whole search; spent(): of what is over; reserve_s: for what comes after the
    training in full. Where nothing fits, the plan that exceeds its limits least, with fits=False.
    """
    fitting = screening.widest(space)
    if not fitting:
        least = min(screening.seen, key=lambda plan: excess(screening.seen[plan], screening.limits))
        trainer.run(least, seed=seed, epochs=1)
        return _found(least, trainer, seconds - spent() - reserve_s, fits=False)
    arms = roomiest(fitting, screening.seen)
    first = min(arms, key=lambda plan: screening.seen[plan].macs)
    trainer.run(first, seed=seed, epochs=1)
    full_s = seconds - spent() - reserve_s - RACING * seconds
    # The one that was trained stays as it is: what others are narrowed by is a prediction.
    arms = [affordable(space, plan, trainer, full_s) for plan in arms if plan != first]
    arms = list(dict.fromkeys([first, *arms]))
    for plan in arms:
        screening.look(plan)
    arms = shortlist(arms, screening.seen)
    room = min(RACING * seconds, seconds - spent() - reserve_s)
    arms, length = lengths(arms, trainer, room)
    held = hold(arms, trainer, length=length, seed=seed)
    rung = held.last
    best = max(
        (plan for plan in arms if plan.name in rung.scores),
        key=lambda plan: (_finite(rung.mean(plan.name)), -screening.seen[plan].p50_ms),
    )
    return _found(best, trainer, seconds - spent() - reserve_s, fits=True)


def solve(
    space: Space,
    limits: Sequence[Limit],
    *,
    screen: Callable[[Plan], Screened],
    evaluate: Evaluate,
    seconds: float,
    operators: Callable[[Plan], Sequence[Operator]] | None = None,
    most_epochs: int = 1000,
    seed: int = 0,
) -> Found:
    """Find the plan of a space that keeps to its limits and is most accurate in a time.

    screen(plan): what it takes, untrained. evaluate(plan, seed=, epochs=): trains it briefly. What
    both say of their own seconds is what counts as time. The plan found is not yet trained in full:
    found.epochs says for how long the time left allows. found.fits is False where nothing fits.

    Raises ValueError for an empty space and for a limit that is not above 0.
    """
    if not space.structures or not space.schemes:
        raise ValueError("there is nothing to search: the space is empty")
    if bad := [one.budget for one in limits if not one.limit > 0]:
        raise ValueError(f"limits must be above 0: {', '.join(bad)}")
    trainer = Trainer(evaluate=evaluate, operators=operators, most_epochs=most_epochs)
    screening = Screening(limits=limits, screen=screen, operators=operators)

    def screened() -> float:
        return sum(found.seconds for found in screening.seen.values())

    screening.go_on = lambda: screened() < SCREENING * seconds
    return choose(
        space,
        screening=screening,
        trainer=trainer,
        seconds=seconds,
        spent=lambda: screened() + trainer.seconds,
        reserve_s=0.0,
        seed=seed,
    )


def roomiest(fitting: Sequence[Plan], seen: Mapping[Plan, Screened]) -> list[Plan]:
    """Of each structure the scheme that leaves room for the largest network."""
    largest: dict[object, Plan] = {}
    for plan in fitting:
        rival = largest.get(plan.structure)
        if rival is None or seen[plan].macs > seen[rival].macs:
            largest[plan.structure] = plan
    return list(largest.values())


def affordable(space: Space, widest: Plan, trainer: Trainer, seconds: float) -> Plan:
    """The widest of a structure, no wider than this one, that is trained LEARNT epochs in so many
    seconds. Where none is, the widest whose epoch takes about as long as the narrowest's: then it
    is not the width that takes the time."""
    plans = [p for p in space.plans(widest.structure, widest.scheme) if p.width <= widest.width]
    enough = max(seconds / LEARNT, SAME * trainer.epoch_s(plans[0]))
    return next((p for p in reversed(plans) if trainer.epoch_s(p) <= enough), plans[0])


def shortlist(plans: Sequence[Plan], seen: Mapping[Plan, Screened]) -> list[Plan]:
    """The largest networks first, each family's best among them; MOST_ARMS at most."""
    ranked = sorted(plans, key=lambda plan: -seen[plan].macs)
    heads: list[Plan] = []
    for plan in ranked:
        if plan.structure.family not in {head.structure.family for head in heads}:
            heads.append(plan)
    chosen = [*heads, *(plan for plan in ranked if plan not in heads)][:MOST_ARMS]
    return sorted(chosen, key=lambda plan: -seen[plan].macs)


def lengths(arms: Sequence[Plan], trainer: Trainer, seconds: float) -> tuple[list[Plan], float]:
    """How many arms are raced and the seconds of training in the first round: as many as get
    ENOUGH epochs each, two at least."""
    for count in range(len(arms), 0, -1):
        kept = list(arms[:count])
        trained = count * ROUNDS[0] + math.ceil(count / 2) * ROUNDS[1]
        pilots = count + math.ceil(count / 2)
        length = (seconds - pilots * trainer.start_s) / trained
        typical = sorted(trainer.epoch_s(plan) for plan in kept)[count // 2]
        if length >= ENOUGH * typical or count <= 2:
            return kept, max(length, typical)
    raise ValueError("a race needs arms")


def hold(arms: Sequence[Plan], trainer: Trainer, *, length: float, seed: int) -> Race:
    """Halfway between equal seconds, which is what the training in full gives each of them, and
    equal epochs: a small network is done learning sooner, and short rounds alone would favour it.

    Rounds are counted in hundredths of the first one's length.
    """
    by_name = {plan.name: plan for plan in arms}
    typical = sorted(trainer.epoch_s(plan) for plan in arms)[len(arms) // 2]

    def evaluate(name: str, pilot_seed: int, hundredths: int) -> float:
        plan = by_name[name]
        share = math.sqrt(trainer.epoch_s(plan) / max(1e-6, typical))
        epochs = trainer.epochs_in(plan, share * length * hundredths / 100)
        return trainer.run(plan, seed=pilot_seed, epochs=epochs)

    rungs = [100 * part for part in ROUNDS] if len(arms) > 1 else [100]
    return race(tuple(by_name), controls=(), evaluate=evaluate, seeds=(seed,), rungs=rungs)


def _found(plan: Plan, trainer: Trainer, left_s: float, *, fits: bool) -> Found:
    epoch_s = trainer.epoch_s(plan)
    fitting = int((left_s - trainer.start_s) / max(1e-6, epoch_s))
    return Found(
        plan=plan,
        fits=fits,
        epochs=max(1, min(trainer.most_epochs, fitting)),
        epoch_s=epoch_s,
        pilots=dict(trainer.pilots),
    )


def _finite(value: float) -> float:
    return value if math.isfinite(value) else -math.inf
