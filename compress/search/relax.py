"""Where nothing meets the budgets: by how little each one, alone, would have to give way."""

from __future__ import annotations

import bisect
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
    """What accuracy is asked for. aim: on validation. rest: of the errors of a pilot of length_s,
    the part that a training in full, of full_s seconds, leaves."""

    aim: float | None
    rest: float
    length_s: float
    full_s: float

    def expected(self, accuracy: float, times: float = 1.0) -> float:
        """Of a training in full after a pilot that was so many times as long as length_s. Errors
        fall with a power of the length (Hestness et al., arXiv:1712.00409): a network that was
        better after a pilot has less to gain, and a longer pilot has gained some of it."""
        share = 1.0
        if times > 1 and self.full_s > self.length_s:
            share = max(0.0, 1 - math.log(times) / math.log(self.full_s / self.length_s))
        return 1 - (1 - accuracy) * math.pow(self.rest, share)


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

    Of the structures that do without this limit the two with the largest networks are taken; their
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
    decided = True
    for top in ranked:
        plans = [p for p in space.plans(top.structure, top.scheme) if p.width <= top.width]
        reached = _least_that_reaches(plans, budget, screening, trainer, goal, seed, go_on)
        decided = decided and reached.decided
        if reached.plan is not None:
            option = (_value(reached.plan, screening, budget), reached.plan)
            best = min(best or option, option, key=lambda one: one[0])
    if best is not None:
        reason = "by pilots of equal length"
        return Enough(budget=budget, value=best[0], plan=best[1], reason=reason)
    if not decided:
        reason = "no time was left to train candidates without it"
        return Enough(budget=budget, value=None, plan=None, reason=reason, tried=False)
    reason = "without it no candidate is expected to reach the accuracy"
    return Enough(budget=budget, value=None, plan=None, reason=reason)


def or_trained(enough: Enough, plan: Plan, screening: Screening) -> Enough:
    """Where a plan that reached the accuracy in its training in full oversteps this limit alone,
    no more than it takes is needed."""
    if excess(screening.look(plan), screening.limits, ignored=(enough.budget,)) > 1:
        return enough
    value = _value(plan, screening, enough.budget)
    if enough.value is not None and enough.value < value:
        return enough
    return Enough(budget=enough.budget, value=value, plan=plan, reason="trained in full")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Least:
    """plan: None where none reached the aim; decided: None will, then, as the widest doesn't."""

    plan: Plan | None
    decided: bool


def _least_that_reaches(
    plans: Sequence[Plan],
    budget: str,
    screening: Screening,
    trainer: Trainer,
    goal: Goal,
    seed: int,
    go_on: Callable[[float], bool],
) -> _Least:
    """The narrowest whose pilot, with what the full length brings, reaches the aim, as far as time
    allows. First one between the limit and the widest is trained, which takes less and says more
    where it reaches it; then the widest, where it doesn't."""
    top = len(plans) - 1
    low, high = min(_keeping(plans, budget, screening), top) - 1, len(plans)
    place = _between(plans, low, top, budget, screening)
    while go_on(_cost(plans[place], screening, trainer, goal)):
        if _reaches(plans[place], screening, trainer, goal, seed):
            high = place
        elif place == top:
            return _Least(plan=None, decided=True)
        else:
            low = place
        if high - low <= 1:
            break
        place = top if high > top else _between(plans, low, high, budget, screening)
    return _Least(plan=plans[high] if high <= top else None, decided=high <= top)


def _keeping(plans: Sequence[Plan], budget: str, screening: Screening) -> int:
    """The place of the widest that keeps to the limit as it is, or 0: where even that reaches the
    aim, it is not this limit that has to give way."""
    limit = screening.limit(budget)

    def over(plan: Plan) -> bool:
        value = screening.value(plan, budget)
        return value is None or value * limit.room > limit.limit

    return max(0, bisect.bisect_left(plans, True, key=over) - 1)


def _between(plans: Sequence[Plan], low: int, high: int, budget: str, screening: Screening) -> int:
    """The place halfway between two, by the ratio of what they take; the upper one where there is
    none. low: -1 where the first may do too; then it is halfway from the limit."""
    if high - low <= 1:
        return high
    least = screening.limit(budget).limit if low < 0 else screening.value(plans[low], budget)
    most = screening.value(plans[high], budget)
    if not least or not most:
        return (low + high) // 2
    inner, middle = range(low + 1, high), math.sqrt(least * most)
    place = bisect.bisect_left(
        inner, middle, key=lambda at: screening.value(plans[at], budget) or math.inf
    )
    return inner[min(place, len(inner) - 1)]


def _reaches(plan: Plan, screening: Screening, trainer: Trainer, goal: Goal, seed: int) -> bool:
    assert goal.aim is not None
    if screening.look(plan).failed:  # all that is trained has its place in the picture
        return False
    known, due = _known(plan, trainer, goal), trainer.epochs_in(plan, goal.length_s)
    if known is not None:
        return goal.expected(known.accuracy, known.epochs / due) >= goal.aim
    return goal.expected(trainer.run(plan, seed=seed, epochs=due)) >= goal.aim


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
    limit = screening.limit(budget)
    return screening.look(plan).values[budget] * limit.room * (1 + 1e-9)
