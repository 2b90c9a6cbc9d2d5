"""Where nothing meets the budgets: by how little each one, alone, would have to give way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compress.search.arms import affordable, narrower
from compress.search.screening import Screening, excess
from compress.search.space import Plan, Space
from compress.search.trainer import Pilot, Trainer

LEVEL, POWER = 1.645, 0.84  # standard errors: of a bound at 95 %, and for 80 % power


@dataclass(frozen=True, slots=True, kw_only=True)
class Enough:
    """The smallest value of a limit that would have done, and the plan that keeps to it. tried:
    False where no time was left to look for it."""

    budget: str
    value: float | None
    plan: Plan | None
    reason: str
    tried: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What validation leaves for chance. validation, test: standard errors of a difference or an
    accuracy on that many samples; bounded: the test asks for a bound, not for the value alone."""

    validation: float
    test: float
    bounded: bool = True

    @property
    def aim(self) -> float:
        """Between the budget and the aim: the test passes with 80 % power."""
        return (self.bounded * LEVEL + POWER) * self.test

    @property
    def repeated(self) -> float:
        """Between what validation says and a limit that a test meets in 95 %."""
        return self.bounded * LEVEL * self.test + LEVEL * math.hypot(self.validation, self.test)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What accuracy is asked for. aim: on validation. gain: of a training in full, of full_s
    seconds, over a pilot of length_s; over a longer one, as much less as that is longer."""

    aim: float | None
    gain: float
    length_s: float
    full_s: float


def standard_error(lost: int, gained: int, samples: int) -> float:
    """Of the paired difference of two accuracies on so many samples."""
    difference = (gained - lost) / samples
    return math.sqrt(max(0.0, (lost + gained) / samples - difference**2) / samples)


def relax(
    budget: str,
    space: Space,
    *,
    screening: Screening,
    trainer: Trainer,
    goal: Goal,
    seed: int,
    go_on: Callable[[float], bool],
) -> Enough:
    """The least of one limit on speed or size at which a plan keeps to all others.

    Of the structures that do without this limit the one with the largest network is taken; its
    widths are bisected by pilots, which say what a training in full would reach. go_on(seconds):
    whether what takes so long may still start.
    """

    def among(plans: Sequence[Plan]) -> Sequence[Plan]:
        """What can be trained: a network beyond that may take longer to export than it is worth."""
        return (
            plans
            if goal.aim is None
            else narrower(space, affordable(space, plans[-1], trainer, goal.full_s))
        )

    wide = screening.widest(space, ignored=(budget,), among=among)
    if not wide:
        reason = "without it the other limits on speed and size still can't be met"
        return Enough(budget=budget, value=None, plan=None, reason=reason)
    if goal.aim is None:
        least = _narrowest(wide, space, screening, budget, go_on)
        value = _value(least, screening, budget)
        return Enough(budget=budget, value=value, plan=least, reason="accuracy is not limited")
    ranked = sorted(wide, key=lambda plan: -_macs(screening, plan))[:2]
    best: tuple[float, Plan] | None = None
    tried = False
    for top in ranked:
        plans = [p for p in space.plans(top.structure, top.scheme) if p.width <= top.width]
        if not go_on(_cost(plans[-1], screening, trainer, goal)):
            break
        tried = True
        plan = _smallest_that_reaches(plans, screening, trainer, goal, seed, go_on)
        if plan is not None:
            value = _value(plan, screening, budget)
            best = min(best or (math.inf, plan), (value, plan), key=lambda pair: pair[0])
    if not tried:
        reason = "no time was left to train candidates without it"
        return Enough(budget=budget, value=None, plan=None, reason=reason, tried=False)
    if best is None:
        reason = "without it no candidate is expected to reach the accuracy"
        return Enough(budget=budget, value=None, plan=None, reason=reason)
    reason = "by pilots of equal length"
    return Enough(budget=budget, value=best[0], plan=best[1], reason=reason)


def or_trained(enough: Enough, plan: Plan, screening: Screening) -> Enough:
    """Where a plan that reached the accuracy in its training in full oversteps this limit alone,
    no more than it takes is needed."""
    if excess(screening.look(plan), screening.limits, ignored=(enough.budget,)) > 1:
        return enough
    value = _value(plan, screening, enough.budget)
    if enough.value is not None and enough.value <= value:
        return enough
    return Enough(budget=enough.budget, value=value, plan=plan, reason="trained in full")


def _smallest_that_reaches(
    plans: Sequence[Plan],
    screening: Screening,
    trainer: Trainer,
    goal: Goal,
    seed: int,
    go_on: Callable[[float], bool],
) -> Plan | None:
    """The narrowest whose pilot, with the gain of the full length, reaches the aim. The widest's
    may start."""
    low, high = -1, len(plans) - 1
    if not _reaches(plans[high], screening, trainer, goal, seed):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if not go_on(_cost(plans[middle], screening, trainer, goal)):
            break
        if _reaches(plans[middle], screening, trainer, goal, seed):
            high = middle
        else:
            low = middle
    return plans[high]


def _reaches(plan: Plan, screening: Screening, trainer: Trainer, goal: Goal, seed: int) -> bool:
    assert goal.aim is not None
    if screening.look(plan).failed:  # all that is trained has its place in the picture
        return False
    known, due = _known(plan, trainer, goal), trainer.epochs_in(plan, goal.length_s)
    if known is not None:
        return known.accuracy + goal.gain * due / known.epochs >= goal.aim
    return trainer.run(plan, seed=seed, epochs=due) + goal.gain >= goal.aim


def _known(plan: Plan, trainer: Trainer, goal: Goal) -> Pilot | None:
    """Its pilot, where that was as long as is due."""
    pilot = trainer.pilots.get(plan)
    due = trainer.epochs_in(plan, goal.length_s)
    return pilot if pilot is not None and pilot.epochs >= due else None


def _cost(plan: Plan, screening: Screening, trainer: Trainer, goal: Goal) -> float:
    """Seconds that to hear whether it reaches the aim is expected to take."""
    look_s = _look_s(plan, screening)
    if _known(plan, trainer, goal) is not None:
        return look_s
    epochs = trainer.epochs_in(plan, goal.length_s)
    return look_s + trainer.start_s + epochs * trainer.epoch_s(plan)


def _look_s(plan: Plan, screening: Screening) -> float:
    """Of its screening, by the mean of the others."""
    if plan in screening.seen or not screening.seen:
        return 0.0
    return sum(one.seconds for one in screening.seen.values()) / len(screening.seen)


def _macs(screening: Screening, plan: Plan) -> int:
    if plan in screening.seen or screening.operators is None:
        return screening.look(plan).macs
    return sum(one.macs for one in screening.operators(plan))


def _narrowest(
    wide: Sequence[Plan],
    space: Space,
    screening: Screening,
    budget: str,
    go_on: Callable[[float], bool],
) -> Plan:
    """The plan that takes least of the limit, among the narrowest of each structure; those that
    nobody looked at while there is time."""
    made = []
    for plan in (space.plans(one.structure, one.scheme)[0] for one in wide):
        there = plan in screening.seen or go_on(_look_s(plan, screening))
        if there and not screening.look(plan).failed:
            made.append(plan)
    return min(made or wide, key=lambda plan: screening.seen[plan].values[budget])


def _value(plan: Plan, screening: Screening, budget: str) -> float:
    """With the margin that the search itself leaves."""
    limit = next(one for one in screening.limits if one.budget == budget)
    return screening.look(plan).values[budget] * limit.room * (1 + 1e-9)
