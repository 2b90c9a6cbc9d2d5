"""Which plans are raced: narrow enough to be trained in time, and within the limits as measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_world import World, shapes

from compress.search.arms import LEARNT, affordable, keeping
from compress.search.ledger import Screened
from compress.search.screening import Limit, Screening, excess
from compress.search.space import FLOAT, Plan, space_for
from compress.search.trainer import Trainer

IMAGES = space_for("images", side=28, schemes=("int8", FLOAT))


def limits(*, speedup: float, kib: float = 900.0) -> tuple[Limit, ...]:
    return (
        Limit(budget="speed", limit=1 / speedup, timed=True),
        Limit(budget="size", limit=kib * 1024, timed=False),
    )


@given(st.floats(20, 4000))
@settings(max_examples=25, deadline=None)
def test_a_network_too_wide_to_be_trained_in_time_is_narrowed(seconds: float) -> None:
    world = World()
    trainer = Trainer(ledger=world.ledger, operators=shapes, most_epochs=50)
    plans = IMAGES.plans(IMAGES.structures[0], "int8")
    trainer.run(plans[3], seed=0, epochs=1)
    kept = affordable(IMAGES, plans[12], trainer, seconds)
    place = plans.index(kept)
    assert place <= 12
    enough = max(seconds / LEARNT, 1.25 * trainer.epoch_s(plans[0]))
    assert trainer.epoch_s(kept) <= enough or kept == plans[0]
    if place < 12:
        assert trainer.epoch_s(plans[place + 1]) > enough


def test_one_width_that_was_slow_to_train_does_not_rule_out_wider_ones_that_are_not() -> None:
    world = World()
    trainer = Trainer(ledger=world.ledger, operators=shapes, most_epochs=50)
    plans = IMAGES.plans(IMAGES.structures[0], "int8")
    for place in (0, 8):
        trainer.run(plans[place], seed=0, epochs=1)
    quick = trainer.epoch_s(plans[8])
    slow = Slow()
    trainer.ledger = slow.ledger
    trainer.run(plans[4], seed=0, epochs=1)
    assert trainer.epoch_s(plans[4]) > 2 * quick
    assert affordable(IMAGES, plans[8], trainer, 1.01 * LEARNT * quick) == plans[8]


class Slow(World):
    """Of a machine that was busy."""

    def epoch_s(self, plan: Plan) -> float:
        return 10 * super().epoch_s(plan)


class Uneven(World):
    """Where widths are no multiple of 16, a network takes longer than some that are wider."""

    def known(self, plan: Plan) -> Screened:
        found = super().known(plan)
        slower = 1.5 if plan.width % 16 else 1.0
        values = {**found.values, "speed": slower * found.values["speed"]}
        return replace(found, values=values, p50_ms=slower * found.p50_ms)


@pytest.mark.parametrize("place", range(4, 13))
def test_a_narrowed_network_keeps_to_the_limits_by_its_own_measurement(place: int) -> None:
    world, wanted = Uneven(), limits(speedup=9.0)
    screening = Screening(limits=wanted, ledger=world.ledger, operators=shapes)
    plans = IMAGES.plans(IMAGES.structures[0], "int8")
    kept = keeping(IMAGES, [plans[place]], screening)
    assert [excess(world.known(plan), wanted) <= 1 for plan in kept] == [True]
    assert kept[0].width <= plans[place].width
    if excess(world.known(plans[place]), wanted) <= 1:
        assert kept == [plans[place]]
        assert world.asked == kept


def test_a_structure_of_which_nothing_narrower_keeps_to_the_limits_is_left_out() -> None:
    world, wanted = World(), limits(speedup=1000.0)
    screening = Screening(limits=wanted, ledger=world.ledger, operators=shapes)
    assert keeping(IMAGES, [IMAGES.plans(IMAGES.structures[0], "int8")[3]], screening) == []
