"""A race and its budget, by a clock that only what is trained moves on."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.errors import InputError
from compress.search.pilots import Costs, Plan
from compress.search.timed_race import Entrants, Held, race_within

ARMS = ("kd", "dkd", "dist", "nkd")
CONTROLS = ("labels", "label smoothing")


class World:
    """Trains nothing, in known times. slower: of pilots, against the first, which is measured."""

    def __init__(self, costs: Costs, *, slower: float = 1.0) -> None:
        self.costs, self.slower = costs, slower
        self.now, self.pilots = 1000.0, 0
        self.told: list[tuple[float, int, str]] = []
        self.plan: Plan | None = None
        self.entrants = Entrants(arms=ARMS, controls=CONTROLS, epochs=12, views=3)

    def measure(self) -> Costs:
        self.now += self.costs.pilot_s + self.costs.epoch_s + self.costs.view_s
        return self.costs

    def begin(self, plan: Plan) -> None:
        self.plan = plan
        self.now += (min(3, plan.rungs[-1]) - 1) * self.costs.view_s

    def score(self, arm: str, seed: int, epochs: int) -> float:
        self.pilots += 1
        self.now += self.slower * (self.costs.pilot_s + epochs * self.costs.epoch_s)
        return 0.9

    def race(self, budget_s: float) -> Held:
        return race_within(
            budget_s,
            self.entrants,
            self,
            first_seed=0,
            tell=lambda said: self.told.append((self.now, self.pilots, said)),
            clock=lambda: self.now,
        )


def race_or_refusal(world: World, budget_s: float) -> Held | str:
    try:
        return world.race(budget_s)
    except InputError as error:
        return str(error)


def test_the_cost_is_said_before_the_race_with_what_is_spent_already() -> None:
    world = World(Costs(pilot_s=4.0, epoch_s=16.0, view_s=40.0))
    held = world.race(1200.0)
    ((when, pilots, said),) = world.told
    assert (when, pilots) == (1060.0, 0)
    assert "races 4 methods and 2 controls" in said
    assert said.endswith("about 832s; of the 1200s, 60s went to measuring what a pilot costs")
    assert (held.plan.seconds, held.measured_s) == (832.0, 60.0)
    # What is stated is what it takes, where pilots cost what the first did.
    assert held.seconds - held.measured_s == pytest.approx(held.plan.seconds)
    assert [rung.complete for rung in held.race.rungs] == [True, True]


@given(
    pilot=st.floats(0, 10),
    epoch=st.floats(0.1, 60),
    view=st.floats(0, 300),
    budget=st.floats(30, 4000),
    slower=st.floats(0.5, 1.11),
)
def test_a_race_is_held_whole_within_its_budget(
    pilot: float, epoch: float, view: float, budget: float, slower: float
) -> None:
    """Measuring takes its part; without it in the plan the last round used to be cut."""
    world = World(Costs(pilot_s=pilot, epoch_s=epoch, view_s=view), slower=slower)
    held = race_or_refusal(world, budget)
    if isinstance(held, str):
        assert ("no race fits" in held, world.pilots) == (True, 0)
        return
    assert world.now - 1000.0 <= budget
    assert len(held.race.rungs) == len(held.plan.rungs)
    assert all(rung.complete for rung in held.race.rungs)
    assert all(len(rung.seeds) == held.plan.seeds for rung in held.race.rungs)


@given(slower=st.floats(1.2, 3.0), budget=st.floats(400, 4000))
def test_slow_pilots_end_a_race_in_time_and_whole_seeds_decide(
    slower: float, budget: float
) -> None:
    costs = Costs(pilot_s=2.0, epoch_s=10.0, view_s=0.0)
    world = World(costs, slower=slower)
    held = race_or_refusal(world, budget)
    if isinstance(held, str):
        assert re.search("no race fits|longer than the first one did", held)
        return
    longest = costs.pilot_s + held.plan.rungs[-1] * costs.epoch_s
    assert world.now - 1000.0 <= budget + (slower - 1.0) * longest  # the last pilot's own lateness
    last = held.race.last
    assert 3 <= len(last.seeds) <= held.plan.seeds
    assert {len(scores) for scores in last.scores.values()} == {len(last.seeds)}


def test_the_smallest_budget_that_is_named_is_enough() -> None:
    costs = Costs(pilot_s=2.0, epoch_s=10.0, view_s=30.0)
    with pytest.raises(InputError) as refused:
        World(costs).race(100.0)
    minutes = re.search(r"give it (\d+)min or more", str(refused.value.cure))
    assert minutes is not None
    held = World(costs).race(60.0 * int(minutes[1]))
    assert held.plan.seeds == 3
    assert held.race.last.complete


def test_a_first_round_that_can_not_be_finished_names_a_budget() -> None:
    world = World(Costs(pilot_s=2.0, epoch_s=10.0, view_s=0.0), slower=5.0)
    with pytest.raises(InputError, match="longer than the first one did") as refused:
        world.race(400.0)
    assert "14min" in str(refused.value.cure)
