"""How many pilots, how long, fit a time: the most paired seeds first, then longer rounds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from compress.search.race import pilots

SEEDS = (5, 4, 3)  # below three, an interval over seeds is too wide to show any gain
ROUNDS = (1, 2)  # lengths of the rounds, as multiples of the shortest
LONGER = 2  # epochs of the shortest round, where there is time for them
ENOUGH_ARMS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds. pilot: of starting and ending one, whatever its length; epoch: of one epoch;
    view: of the teacher's answers to one more augmented view; online: what an epoch takes beyond
    that where the teacher answers in the loop."""

    pilot_s: float
    epoch_s: float
    view_s: float
    online_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """arms: those that are raced, the first of the table; rungs: epochs of each round."""

    arms: tuple[str, ...]
    seeds: int
    rungs: tuple[int, ...]
    seconds: float  # what it is expected to take, more views included


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all plans of a race share. controls: how many; epochs, views: of the full training;
    own_views: the arms that see other views than the rest, which then are computed too; online:
    those that ask the teacher in the loop."""

    costs: Costs
    controls: int
    epochs: int
    views: int
    own_views: Collection[str] = ()
    online: Collection[str] = ()


def plan_pilots(arms: Sequence[str], setting: Setting, *, budget_s: float) -> Plan | None:
    """The largest race that fits the budget, None where none does.

    Rounds are of n and 2n epochs, never longer than `epochs` of the full training; arms are left
    out from the end of the table only when three seeds of the shortest rounds don't fit otherwise.
    Those that ask the teacher in the loop cost several times as much, so they are raced only where
    no other arm has to give up a seed for them.
    """
    whole = _planned(arms, max(SEEDS), LONGER, setting)
    if whole.seconds <= budget_s:
        return _grown(whole, setting, budget_s)
    arms = [arm for arm in arms if arm not in setting.online]
    for kept in range(len(arms), min(ENOUGH_ARMS, len(arms)) - 1, -1):
        for shortest in (LONGER, 1):
            for seeds in SEEDS:
                plan = _planned(arms[:kept], seeds, shortest, setting)
                if plan.seconds <= budget_s:
                    return _grown(plan, setting, budget_s)
    return None


def smallest_budget(arms: Sequence[str], setting: Setting) -> float:
    """Seconds of the smallest race there is."""
    return _planned(arms[: min(ENOUGH_ARMS, len(arms))], min(SEEDS), 1, setting).seconds


def _planned(arms: Sequence[str], seeds: int, shortest: int, setting: Setting) -> Plan:
    costs = setting.costs
    rungs = tuple(dict.fromkeys(min(setting.epochs, shortest * times) for times in ROUNDS))
    trained = pilots(len(arms), setting.controls, rungs=rungs)
    seconds = sum(
        count * seeds * (costs.pilot_s + length * costs.epoch_s)
        for count, length in zip(trained, rungs, strict=True)
    )
    # As if they came through every round, since nobody knows better.
    asking = sum(arm in setting.online for arm in arms)
    seconds += asking * seeds * sum(rungs) * costs.online_s
    each = min(setting.views, rungs[-1])
    views = max(0, each - 1)  # the first one is there: it told the cost
    if any(arm in setting.own_views for arm in arms):
        views += each
    return Plan(arms=tuple(arms), seeds=seeds, rungs=rungs, seconds=seconds + views * costs.view_s)


def _grown(plan: Plan, setting: Setting, budget_s: float) -> Plan:
    shortest = plan.rungs[0]
    while plan.rungs[-1] < setting.epochs:
        shortest += 1
        longer = _planned(plan.arms, plan.seeds, shortest, setting)
        if longer.seconds > budget_s:
            break
        plan = longer
    return plan
