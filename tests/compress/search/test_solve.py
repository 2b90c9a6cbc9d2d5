"""Budgets in, plan out, over candidates whose true values are known."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_world import World, shapes

from compress import solve
from compress.errors import InputError
from compress.search.arms import roomiest, shortlist
from compress.search.ledger import Account
from compress.search.relax import Goal, relax
from compress.search.screening import Limit, Screening, excess
from compress.search.solve import hold, lengths
from compress.search.space import FLOAT, Plan, Space, Structure, space_for
from compress.search.trainer import Trainer

IMAGES = space_for("images", side=28, schemes=("int8", FLOAT))


def limits(*, speedup: float = 8.0, kib: float = 300.0) -> tuple[Limit, ...]:
    return (
        Limit(budget="speed", limit=1 / speedup, timed=True),
        Limit(budget="size", limit=kib * 1024, timed=False),
    )


def truly_widest(world: World, plans: tuple[Plan, ...], wanted: tuple[Limit, ...]) -> Plan | None:
    fitting = [plan for plan in plans if excess(world.known(plan), wanted) <= 1]
    return fitting[-1] if fitting else None


@given(st.floats(2, 60), st.floats(30, 900), st.sampled_from(IMAGES.structures), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_widest_that_fits_is_found_in_few_measurements(
    speedup: float, kib: float, structure: Structure, predicts: bool
) -> None:
    world, wanted = World(), limits(speedup=speedup, kib=kib)
    screening = Screening(
        limits=wanted, ledger=world.ledger, operators=shapes if predicts else None
    )
    plans = IMAGES.plans(structure, "int8")
    found = screening.widest_of(plans)
    if found is None:
        assert plans[0] in world.asked
        assert excess(world.known(plans[0]), wanted) > 1
    else:
        assert excess(world.known(found), wanted) <= 1
        best = truly_widest(world, plans, wanted)
        assert best is not None
        assert plans.index(best) - plans.index(found) <= 1
    assert len(world.asked) <= 6
    assert max(Counter(world.asked).values()) == 1


def test_no_image_network_has_four_channels_which_crash_a_training() -> None:
    widths = {one for structure in IMAGES.structures for one in structure.widths}
    assert min(widths) == 8
    assert all(min(s.student(w).widths) >= 8 for s in IMAGES.structures for w in s.widths)


def test_prediction_saves_measurements() -> None:
    counts = {}
    for predicts in (True, False):
        world = World()
        screening = Screening(
            limits=limits(), ledger=world.ledger, operators=shapes if predicts else None
        )
        screening.widest(IMAGES)
        counts[predicts] = len(world.asked)
    assert counts[True] < counts[False]


def test_the_search_takes_what_is_most_accurate_in_the_time_left() -> None:
    world = World()
    found = solve(
        IMAGES,
        limits(),
        screen=world.screen,
        evaluate=world.evaluate,
        operators=shapes,
        seconds=2400,
    )
    assert found.fits
    assert excess(world.known(found.plan), limits()) <= 1
    raced = list(found.pilots)
    assert len(raced) >= 3
    epochs = {plan: int(1200 / world.epoch_s(plan)) for plan in raced}
    best = max(raced, key=lambda plan: world.accuracy(plan, epochs[plan]))
    assert (
        world.accuracy(found.plan, epochs[found.plan]) >= world.accuracy(best, epochs[best]) - 0.002
    )
    spent = 4.0 * len(world.asked) + sum(
        6.0 + n * world.epoch_s(plan) for plan, _, n in world.pilots
    )
    assert spent + 6.0 + found.epochs * found.epoch_s == pytest.approx(2400, rel=0.1)


def test_a_slower_network_is_raced_for_more_seconds_and_fewer_epochs_on_the_same_seed() -> None:
    world = World()
    trainer = Trainer(ledger=world.ledger, operators=shapes, most_epochs=500)
    arms = [IMAGES.plans(IMAGES.structures[0], "int8")[place] for place in (3, 6, 10)]
    trainer.run(arms[0], seed=7, epochs=1)
    hold(arms, trainer, length=400.0, seed=7)
    assert {seed for _, seed, _ in world.pilots} == {7}
    first = {plan: epochs for plan, _, epochs in world.pilots[1:4]}
    assert set(first) == set(arms)
    slow, quick = max(first, key=world.epoch_s), min(first, key=world.epoch_s)
    assert world.epoch_s(slow) > 1.5 * world.epoch_s(quick)
    assert first[slow] < first[quick]
    assert first[slow] * world.epoch_s(slow) > first[quick] * world.epoch_s(quick)


def test_where_nothing_fits_the_least_excess_is_trained_and_said_to_miss() -> None:
    world = World(speed=100.0)
    found = solve(
        IMAGES,
        limits(),
        screen=world.screen,
        evaluate=world.evaluate,
        operators=shapes,
        seconds=600,
    )
    assert not found.fits
    assert excess(world.known(found.plan), limits()) == min(
        excess(world.known(plan), limits()) for plan in world.asked
    )


class Diverging(World):
    """Trainings of more epochs than this end in NaN."""

    most = 0

    def accuracy(self, plan: Plan, epochs: int) -> float:
        return super().accuracy(plan, epochs) if epochs <= self.most else math.nan


@pytest.mark.parametrize(("structures", "most"), [(8, 0), (8, 1), (1, 0)])
def test_where_every_training_diverges_the_cure_is_a_lower_rate(structures: int, most: int) -> None:
    world = Diverging()
    world.most = most
    space = Space(structures=IMAGES.structures[:structures], schemes=("int8",))
    with pytest.raises(InputError, match="every candidate's training diverged") as refused:
        solve(
            space,
            limits(),
            screen=world.screen,
            evaluate=world.evaluate,
            operators=shapes,
            seconds=2400,
        )
    assert refused.value.where == "distill.learning_rate"
    assert refused.value.cure == "lower it"


def test_a_search_over_nothing_and_a_limit_of_nothing_are_refused() -> None:
    world = World()
    empty = Space(structures=(), schemes=(FLOAT,))
    with pytest.raises(ValueError, match="empty"):
        solve(empty, limits(), screen=world.screen, evaluate=world.evaluate, seconds=60)
    none = (Limit(budget="size", limit=0.0, timed=False),)
    with pytest.raises(ValueError, match="size"):
        solve(IMAGES, none, screen=world.screen, evaluate=world.evaluate, seconds=60)


def test_each_structure_sends_the_scheme_with_most_room_and_each_family_its_best() -> None:
    world = World()
    screening = Screening(limits=limits(), ledger=world.ledger, operators=shapes)
    arms = shortlist(roomiest(screening.widest(IMAGES), screening.seen), screening.seen)
    assert len({plan.structure for plan in arms}) == len(arms) <= 6
    assert {plan.structure.family for plan in arms} == {"residual", "depthwise"}
    assert {plan.scheme for plan in arms} == {"int8"}  # faster and smaller in this world


def test_a_short_race_has_fewer_arms_and_not_less_than_an_epoch() -> None:
    world = World()
    plans = [IMAGES.plans(structure, "int8")[5] for structure in IMAGES.structures[:4]]
    trainer = Trainer(ledger=world.ledger, operators=shapes, most_epochs=50)
    trainer.run(plans[0], seed=0, epochs=1)
    many, long = lengths(plans, trainer, 4000)
    few, short = lengths(plans, trainer, 60)
    assert len(many) == 4
    assert len(few) < 4
    assert long > short > 0
    assert trainer.epochs_in(plans[0], short) >= 1


def test_one_arm_alone_has_nothing_to_win_and_is_trained_in_full_for_the_time_of_the_race() -> None:
    world = World()
    one = Space(structures=IMAGES.structures[:1], schemes=("int8",))
    found = solve(
        one,
        limits(),
        screen=world.screen,
        evaluate=world.evaluate,
        operators=shapes,
        seconds=2400,
    )
    assert world.pilots == [(found.plan, 0, 1)]
    spent = 4.0 * len(world.asked) + 6.0 + world.epoch_s(found.plan)
    whole = spent + 6.0 + found.epochs * found.epoch_s
    assert 2400 - found.epoch_s < whole <= 2400


def test_more_seeds_shorten_the_race_and_two_arms_are_raced_once() -> None:
    world = World()
    plans = [IMAGES.plans(structure, "int8")[5] for structure in IMAGES.structures[:4]]
    trainer = Trainer(ledger=world.ledger, operators=shapes, most_epochs=50)
    trainer.run(plans[0], seed=7, epochs=1)
    _, once = lengths(plans, trainer, 4000)
    _, thrice = lengths(plans, trainer, 4000, seeds=3)
    # 4 + 2 * 2 lengths and 6 starts of 6 s become 4 + 3 * 2 * 2 lengths and 10 starts.
    assert (once, thrice) == pytest.approx(((4000 - 36) / 8, (4000 - 60) / 16))
    assert [rung.seeds for rung in hold(plans, trainer, length=40, seed=7, seeds=3).rungs] == [
        (7,),
        (7, 8, 9),
    ]
    held = hold(plans[:2], trainer, length=400, seed=7, seeds=3)
    assert [rung.seeds for rung in held.rungs] == [(7, 8, 9)]


def test_the_time_of_several_at_once_is_that_of_the_one_that_took_longest() -> None:
    account = Account()
    account.add([{"pilots": 4.0}, {"pilots": 2.0, "quantization": 2.0}], seconds=4.0)
    assert account.parts == {"pilots": 3.0, "quantization": 1.0}
    assert account.seconds == 4.0


@pytest.mark.parametrize("budget", ["speed", "size"])
def test_a_relaxed_limit_is_one_that_a_plan_of_enough_accuracy_keeps_to(budget: str) -> None:
    world = World()
    tight = limits(speedup=8.0 if budget == "size" else 60.0, kib=24 if budget == "size" else 300)
    screening = Screening(limits=tight, ledger=world.ledger, operators=shapes)
    trainer = Trainer(ledger=world.ledger, operators=shapes, most_epochs=50)
    start = IMAGES.plans(IMAGES.structures[0], "int8")[2]
    trainer.run(start, seed=0, epochs=1)
    goal = Goal(aim=0.922, rest=0.95, length_s=60.0, full_s=240.0)
    enough = relax(
        budget,
        IMAGES,
        screening=screening,
        trainer=trainer,
        goal=goal,
        seed=0,
        go_on=lambda seconds: True,
    )
    assert enough.plan is not None
    assert enough.value is not None
    changed = tuple(
        one if one.budget != budget else Limit(budget=budget, limit=enough.value, timed=one.timed)
        for one in tight
    )
    assert excess(world.known(enough.plan), changed) <= 1
    assert enough.value > next(one.limit for one in tight if one.budget == budget)
    assert goal.expected(trainer.pilots[enough.plan].accuracy) >= 0.922


def test_what_no_single_limit_can_cure_is_said() -> None:
    world = World(speed=100.0)
    screening = Screening(limits=limits(), ledger=world.ledger, operators=shapes)
    trainer = Trainer(ledger=world.ledger, operators=shapes, most_epochs=50)
    trainer.run(IMAGES.plans(IMAGES.structures[0], "int8")[2], seed=0, epochs=1)
    enough = relax(
        "size", IMAGES, screening=screening, trainer=trainer, seed=0, go_on=lambda seconds: True,
        goal=Goal(aim=0.9, rest=1.0, length_s=60.0, full_s=240.0),
    )  # fmt: skip
    assert enough.value is None
    assert "other limits" in enough.reason
