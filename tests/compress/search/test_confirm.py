"""One warm process is not what the run will measure by: the winner of a race is looked at again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from made_world import World, shapes

from benchmarks.process import WorkerDied, WorkerKilled
from compress.errors import DistilError, MachineFailed
from compress.pipeline.stages import confirming
from compress.pipeline.stages.screening import Screener
from compress.search.confirm import CONFIRMING, FRESH, TRIES, Confirmed, confirmed
from compress.search.screening import Limit, Screening
from compress.search.solve import choose
from compress.search.space import FLOAT, Plan, space_for
from compress.search.trainer import Trainer
from exporters.events import Event

IMAGES = space_for("images", side=28, schemes=("int8", FLOAT))
LIMITS = (
    Limit(budget="speed", limit=1 / 8, timed=True),
    Limit(budget="size", limit=300 * 1024.0, timed=False),
)
LOOK_S = 20.0


class Fresh(World):
    """Fresh processes take `slower` times what the warm one does, but for some plans."""

    def __init__(self, slower: float) -> None:
        super().__init__()
        self.slower = slower
        self.looks: list[Plan] = []

    def truly(self, plan: Plan) -> float:
        return self.slower * self.known(plan).values["speed"]

    def confirm(self, plan: Plan) -> Confirmed:
        self.looks.append(plan)
        return Confirmed(values={"speed": self.truly(plan)}, seconds=LOOK_S)


def screening_of(world: World) -> Screening:
    return Screening(limits=LIMITS, ledger=world.ledger, operators=shapes)


@pytest.mark.parametrize("slower", [0.7, 1.0, 1.03, 1.15, 1.6])
def test_what_is_trained_in_full_keeps_to_the_limits_by_fresh_processes(slower: float) -> None:
    world = Fresh(slower)
    screening = screening_of(world)
    trainer = Trainer(ledger=world.ledger, operators=shapes, most_epochs=50)
    found = choose(
        IMAGES,
        screening=screening,
        trainer=trainer,
        seconds=4000,
        spent=lambda: screening.spent.seconds + trainer.spent.seconds,
        reserve_s=20.0,
        confirm=world.confirm,
    )
    assert found.fits
    assert world.truly(found.plan) <= 1 / 8
    assert found.plan not in found.others
    assert screening.spent.parts[CONFIRMING] == LOOK_S * len(world.looks)
    if slower <= 1.0:
        assert world.looks == [found.plan]
    assert found.epochs * found.epoch_s + screening.spent.seconds + trainer.spent.seconds <= 4000


def test_the_widest_that_is_fast_enough_by_fresh_processes_takes_the_place_of_the_winner() -> None:
    world = Fresh(1.3)
    screening = screening_of(world)
    plans = IMAGES.plans(IMAGES.structures[0], "int8")
    best = screening.widest_of(plans)
    assert best is not None
    assert world.truly(best) > 1 / 8
    plan = confirmed([best], IMAGES, screening=screening, confirm=world.confirm)
    wider = plans[plans.index(plan) + 1]
    assert world.truly(plan) * (1 + FRESH) <= 1 / 8 < 1.06 * world.truly(wider)
    # What is seen from now on of this structure in this scheme is as slow, and nothing else is.
    for one, seen in screening.seen.items():
        assert seen.values["speed"] == pytest.approx(world.truly(one))
        assert seen.values["size"] == world.known(one).values["size"]
    other = IMAGES.plans(IMAGES.structures[0], FLOAT)[1]
    assert screening.look(other).values == world.known(other).values
    assert screening.look(plans[0]).values["speed"] == pytest.approx(world.truly(plans[0]))


def test_where_no_width_is_fast_enough_the_next_best_structure_is_looked_at() -> None:
    world = Fresh(1.0)
    slow, quick = IMAGES.structures[:2]
    screening = screening_of(world)
    ranked = [
        plan
        for one in (slow, quick)
        if (plan := screening.widest_of(IMAGES.plans(one, "int8"))) is not None
    ]

    def confirm(plan: Plan) -> Confirmed:
        if plan.structure == slow:
            return Confirmed(values={"speed": 1.0}, seconds=LOOK_S)
        return world.confirm(plan)

    assert confirmed(ranked, IMAGES, screening=screening, confirm=confirm) == ranked[1]
    assert world.looks == [ranked[1]]
    assert screening.look(ranked[1]).values == world.known(ranked[1]).values


def test_a_winner_that_crashes_is_passed_over_for_the_next_best() -> None:
    world = Fresh(1.0)
    screening = screening_of(world)
    found = [screening.widest_of(IMAGES.plans(one, "int8")) for one in IMAGES.structures[:2]]
    ranked = [plan for plan in found if plan is not None]

    def confirm(plan: Plan) -> Confirmed:
        if plan == ranked[0]:
            return Confirmed(values={}, seconds=LOOK_S, failed="the model crashed the runtime")
        return world.confirm(plan)

    assert confirmed(ranked, IMAGES, screening=screening, confirm=confirm) == ranked[1]
    assert screening.seen[ranked[0]].values == world.known(ranked[0]).values
    assert screening.spent.parts[CONFIRMING] == 2 * LOOK_S


def test_a_crash_is_the_networks_own_and_what_the_machine_lacks_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = IMAGES.plans(IMAGES.structures[0], "int8")[0]
    told: list[Event] = []
    screener = SimpleNamespace(on_event=told.append, worked_s=0.0)
    errors: list[DistilError] = [WorkerDied("crashed"), WorkerKilled("memory ran out")]

    def fails(*given: object) -> Confirmed:
        raise errors.pop(0)

    monkeypatch.setattr(confirming, "_confirmed", fails)
    found = confirming.confirm(cast("Screener", screener), plan)
    assert found.failed.startswith("crashed")
    assert plan.name in told[0].message
    with pytest.raises(MachineFailed):
        confirming.confirm(cast("Screener", screener), plan)
    assert screener.worked_s > 0


def test_where_none_is_fast_enough_the_winner_stays_after_a_few_looks() -> None:
    world = Fresh(50.0)
    screening = screening_of(world)
    found = [screening.widest_of(IMAGES.plans(one, "int8")) for one in IMAGES.structures[:3]]
    ranked = [plan for plan in found if plan is not None]
    plan = confirmed(ranked, IMAGES, screening=screening, confirm=world.confirm)
    assert plan == ranked[0]
    assert len(ranked) <= len(world.looks) <= TRIES * len(ranked)
