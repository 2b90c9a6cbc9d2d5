"""How many pilots, how long, fit a time: the most paired seeds first, then longer rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compress.search.race import pilots

SEEDS = (5, 4, 3)  # below three, an interval over seeds is too wide to show any gain
ROUNDS = (1, 2)  # lengths of the rounds, as multiples of the shortest
ENOUGH_ARMS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds. pilot: of starting and ending one, whatever its length; epoch: of one epoch;
    view: of the teacher's answers to one more augmented view."""

    pilot_s: float
    epoch_s: float
    view_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """arms: those that are raced, the first of the table; rungs: epochs of each round."""

    arms: tuple[str, ...]
    seeds: int
    rungs: tuple[int, ...]
    seconds: float  # what it is expected to take, more views included


def plan_pilots(
    arms: Sequence[str], *, controls: int, costs: Costs, budget_s: float, epochs: int, views: int
) -> Plan | None:
    """The largest race that fits the budget, None where none does.

    Rounds are of n and 2n epochs, never longer than `epochs` of the full training; arms are left
    out from the end of the table only when three seeds of the shortest rounds don't fit otherwise.
    """
    for kept in range(len(arms), min(ENOUGH_ARMS, len(arms)) - 1, -1):
        for shortest in (2, 1):
            for seeds in SEEDS:
                plan = _longest(arms[:kept], controls, seeds, shortest, costs, epochs, views)
                if plan.seconds <= budget_s:
                    return _grown(plan, controls, costs, budget_s, epochs, views)
    return None


def smallest_budget(
    arms: Sequence[str], *, controls: int, costs: Costs, epochs: int, views: int
) -> float:
    """Seconds of the smallest race there is."""
    kept = arms[: min(ENOUGH_ARMS, len(arms))]
    return _longest(kept, controls, min(SEEDS), 1, costs, epochs, views).seconds


def _longest(
    arms: Sequence[str],
    controls: int,
    seeds: int,
    shortest: int,
    costs: Costs,
    epochs: int,
    views: int,
) -> Plan:
    rungs = tuple(dict.fromkeys(min(epochs, shortest * times) for times in ROUNDS))
    trained = pilots(len(arms), controls, rungs=rungs)
    seconds = sum(
        count * seeds * (costs.pilot_s + length * costs.epoch_s)
        for count, length in zip(trained, rungs, strict=True)
    )
    more_views = max(0, min(views, rungs[-1]) - 1)  # the first one is there: it told the cost
    return Plan(
        arms=tuple(arms),
        seeds=seeds,
        rungs=rungs,
        seconds=seconds + more_views * costs.view_s,
    )


def _grown(
    plan: Plan, controls: int, costs: Costs, budget_s: float, epochs: int, views: int
) -> Plan:
    shortest = plan.rungs[0]
    while plan.rungs[-1] < epochs:
        shortest += 1
        longer = _longest(plan.arms, controls, plan.seeds, shortest, costs, epochs, views)
        if longer.seconds > budget_s:
            break
        plan = longer
    return plan
