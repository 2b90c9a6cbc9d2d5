"""A race that keeps to a time: what a pilot costs is measured, the plan said, and then held."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from compress.errors import InputError
from compress.recipe.units import format_duration
from compress.search.pilots import SEEDS, Costs, Plan, Setting, plan_pilots, smallest_budget
from compress.search.race import OutOfTime, Race, race

BUDGET = "budget"  # what an error names where no race fits
PLANNED = 0.9  # of what is left: pilots of one length differ in what they take


class Pilots(Protocol):
    """Who trains."""

    def measure(self) -> Costs:
        """Train one pilot, compute one view."""

    def begin(self, plan: Plan) -> None:
        """What comes is known."""

    def score(self, arm: str, seed: int, epochs: int) -> float:
        """Train one; higher is better, NaN where it diverged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrants:
    """What may be raced. epochs, views: of the full training; own_views, online: as in Setting."""

    arms: Sequence[str]
    controls: Sequence[str]
    epochs: int
    views: int
    own_views: Collection[str] = ()
    online: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A race that was held. measured_s: what measuring took of the seconds."""

    race: Race
    plan: Plan
    measured_s: float
    seconds: float


def race_within(
    budget_s: float,
    entrants: Entrants,
    pilots: Pilots,
    *,
    first_seed: int,
    tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Held:
    """Hold the largest race that fits, and say what it costs before it starts.

    Measuring is a part of budget_s. No pilot starts that would end too late by what was measured.
    Raises InputError, naming the smallest budget that does, where no race fits, and where pilots
    took so much longer than the first that the first round could not be finished.
    """
    began = clock()
    costs = pilots.measure()
    measured_s = clock() - began
    setting = Setting(
        costs=costs,
        controls=len(entrants.controls),
        epochs=entrants.epochs,
        views=entrants.views,
        own_views=entrants.own_views,
        online=entrants.online,
    )
    plan = plan_pilots(entrants.arms, setting, budget_s=PLANNED * max(0.0, budget_s - measured_s))
    if plan is None:
        least_s = measured_s + smallest_budget(entrants.arms, setting) / PLANNED
        raise InputError(
            f"no race fits in {format_duration(budget_s)}: a pilot of one epoch takes "
            f"{format_duration(float(f'{costs.pilot_s + costs.epoch_s:.2g}'))} here",
            where=BUDGET,
            cure=f"give it {math.ceil(least_s / 60)}min or more",
        )
    tell(_stated(plan, controls=len(entrants.controls), measured_s=measured_s, budget_s=budget_s))
    pilots.begin(plan)

    def go_on(arm: str, epochs: int) -> bool:
        epoch_s = costs.epoch_s + (costs.online_s if arm in entrants.online else 0.0)
        return clock() - began + costs.pilot_s + epochs * epoch_s <= budget_s

    try:
        found = race(
            plan.arms,
            controls=entrants.controls,
            evaluate=pilots.score,
            seeds=range(first_seed, first_seed + plan.seeds),
            rungs=plan.rungs,
            go_on=go_on,
            enough=min(SEEDS),
        )
    except OutOfTime as error:
        raise InputError(
            f"{error}: pilots take longer than the first one did",
            where=BUDGET,
            cure=f"give it {math.ceil(2 * budget_s / 60)}min; what was trained is kept",
        ) from error
    return Held(race=found, plan=plan, measured_s=measured_s, seconds=clock() - began)


def _stated(plan: Plan, *, controls: int, measured_s: float, budget_s: float) -> str:
    rounds = " and ".join(str(length) for length in plan.rungs)
    return (
        f"races {len(plan.arms)} methods and {controls} controls on {plan.seeds} seeds in rounds "
        f"of {rounds} epochs: about {format_duration(plan.seconds)}; of the "
        f"{format_duration(budget_s)}, {format_duration(measured_s)} went to measuring what a "
        "pilot costs"
    )
