"""What an epoch takes is told by a few steps, so that the time a network gets is not guessed."""

from __future__ import annotations

import math

import pytest
from made_world import World, shapes

from compress.search.arms import LEARNT, affordable, roomiest
from compress.search.ledger import Alone
from compress.search.screening import Limit, Screening, excess
from compress.search.solve import choose
from compress.search.space import FLOAT, Plan, space_for
from compress.search.trainer import PILOTS, Trainer

IMAGES = space_for("images", side=28, schemes=("int8", FLOAT))
LIMITS = (
    Limit(budget="speed", limit=1 / 8, timed=True),
    Limit(budget="size", limit=300.0 * 1024, timed=False),
)


class Overhead(World):
    """Of an epoch most seconds are the same for every network, as on a fast machine with small
    images."""

    def epoch_s(self, plan: Plan) -> float:
        return 12.0 + self.pace(plan)

    def pace(self, plan: Plan) -> float:
        return 4.0 + self.known(plan).macs / 4e6


def test_a_wide_network_is_not_narrowed_for_time_that_it_does_not_take() -> None:
    """By the pilot of a small one alone it is thought to take a time in proportion to its size."""
    world = Overhead()
    plans = IMAGES.plans(IMAGES.structures[0], "int8")
    small, wide = plans[0], plans[12]
    assert world.known(wide).macs > 50 * world.known(small).macs
    assert world.epoch_s(wide) < 2 * world.epoch_s(small)
    narrowed = {}
    for looks in (True, False):
        trainer = Trainer(
            ledger=world.ledger,
            operators=shapes,
            most_epochs=50,
            pace=world.pace if looks else None,
            clock=lambda: 0.0,
        )
        trainer.look_at([small, wide])
        trainer.run(small, seed=0, epochs=1)
        narrowed[looks] = affordable(IMAGES, wide, trainer, 1.1 * LEARNT * world.epoch_s(wide))
    assert narrowed[True] == wide
    assert world.known(narrowed[False]).macs < 0.1 * world.known(wide).macs


def test_a_search_begins_with_the_network_that_is_trained_quickest() -> None:
    world = Overhead()
    screening = Screening(limits=LIMITS, ledger=world.ledger, operators=shapes)
    trainer = Trainer(
        ledger=world.ledger, operators=shapes, most_epochs=50, pace=world.pace, clock=lambda: 0.0
    )
    found = choose(
        IMAGES,
        screening=screening,
        trainer=trainer,
        seconds=900,
        spent=lambda: screening.spent.seconds + trainer.spent.seconds,
        reserve_s=20.0,
    )
    first = world.pilots[0][0]
    fitting = [p for p in screening.seen if excess(screening.seen[p], LIMITS) <= 1]
    arms = roomiest(screening.widest(IMAGES), screening.seen)
    assert found.fits
    assert set(arms) <= set(fitting)
    assert world.pace(first) == min(map(world.pace, arms))


def trainer_of(world: World, paces: dict[Plan, float], **more: object) -> Trainer:
    return Trainer(
        ledger=Alone(world.screen, world.evaluate),
        operators=None,
        most_epochs=50,
        pace=paces.__getitem__,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("own", "took", "expected"),
    [(10.0, 16.0, 30.0 + 6.0), (10.0, 5.0, 30.0 * 0.5), (10.0, 10.0, 30.0)],
    ids=["data takes its own time", "half precision halves the steps", "steps alone"],
)
def test_an_epoch_is_its_steps_and_what_all_have_in_common(
    own: float, took: float, expected: float
) -> None:
    world = World()
    quick, other = IMAGES.plans(IMAGES.structures[0], "int8")[:2]
    trainer = trainer_of(world, {quick: own, other: 30.0})
    trainer.look_at([quick, other])
    assert trainer.quickest([other, quick]) == quick
    world.epoch_s = lambda plan: took  # type: ignore[method-assign]
    trainer.run(quick, seed=0, epochs=1)
    assert trainer.epoch_s(quick) == took
    assert trainer.epoch_s(other) == pytest.approx(expected)


def test_what_looking_takes_counts_as_pilots() -> None:
    clock = iter([0.0, 1.5, 10.0, 12.0])
    plans = IMAGES.plans(IMAGES.structures[0], "int8")[:2]
    trainer = trainer_of(World(), dict.fromkeys(plans, 1.0), clock=lambda: next(clock))
    trainer.look_at(plans)
    assert trainer.spent.parts == {PILOTS: 3.5}


def test_a_network_that_takes_no_batch_has_no_pace() -> None:
    plans = IMAGES.plans(IMAGES.structures[0], "int8")[:2]
    trainer = trainer_of(World(), {plans[0]: math.nan, plans[1]: 2.0})
    trainer.look_at(plans)
    assert trainer.quickest(plans[:1]) is None
    assert trainer.quickest(plans) == plans[1]
