"""Candidates of which no file can be made, beside others that can."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from made_world import World, shapes

from compress import solve
from compress.errors import InputError
from compress.search.ledger import Scored, Screened, not_made
from compress.search.screening import Limit, Screening
from compress.search.solve import Found, choose, finish_best
from compress.search.space import FLOAT, Plan, space_for
from compress.search.trainer import Trainer

IMAGES = space_for("images", side=28, schemes=("int8", FLOAT))


def limits(*, speedup: float = 8.0, kib: float = 300.0) -> tuple[Limit, ...]:
    return (
        Limit(budget="speed", limit=1 / speedup, timed=True),
        Limit(budget="size", limit=kib * 1024, timed=False),
    )


class Breaking(World):
    """A world in which networks of one depth can't be made, or none at all."""

    def __init__(self, *, depths: tuple[int, ...]) -> None:
        super().__init__()
        self.depths = depths

    def screen(self, plan: Plan) -> Screened:
        self.asked.append(plan)
        if plan.structure.depth in self.depths:
            return not_made("it has no ONNX form", seconds=1.0)
        return self.known(plan)


def test_a_candidate_that_can_not_be_made_is_passed_over() -> None:
    world = Breaking(depths=(1,))
    found = solve(
        IMAGES, limits(), screen=world.screen, evaluate=world.evaluate, operators=shapes,
        seconds=2400,
    )  # fmt: skip
    assert any(plan.structure.depth == 1 for plan in world.asked)
    assert found.fits
    assert all(plan.structure.depth != 1 for plan in found.pilots)


def test_where_none_can_be_made_the_reason_is_told() -> None:
    depths = tuple(structure.depth for structure in IMAGES.structures)
    world = Breaking(depths=depths)
    with pytest.raises(InputError, match="it has no ONNX form"):
        solve(
            IMAGES, limits(), screen=world.screen, evaluate=world.evaluate, operators=shapes,
            seconds=2400,
        )  # fmt: skip
    assert not world.pilots


def test_a_race_whose_longer_round_diverges_is_decided_by_the_one_before() -> None:
    class Diverging(World):
        def accuracy(self, plan: Plan, epochs: int) -> float:
            rounds = [n for other, _, n in self.pilots if other == plan]
            return math.nan if epochs > min(rounds) else super().accuracy(plan, epochs)

    world = Diverging()
    found = solve(
        IMAGES, limits(), screen=world.screen, evaluate=world.evaluate, operators=shapes,
        seconds=2400,
    )  # fmt: skip
    assert found.fits
    assert len({epochs for _, _, epochs in world.pilots}) > 1


class Untold(World):
    """Trainings of networks of one family end in no file."""

    family = "residual"

    def evaluate(self, plan: Plan, *, seed: int, epochs: int) -> Scored:
        scored = super().evaluate(plan, seed=seed, epochs=epochs)
        if plan.structure.family != self.family:
            return scored
        return replace(scored, accuracy=math.nan, failed="the file differs from the student")


class Search:
    """One whose trainings in full fail for some plans. finished: all that were begun."""

    def __init__(self, world: World) -> None:
        self.screening = Screening(limits=limits(), ledger=world.ledger, operators=shapes)
        self.trainer = Trainer(ledger=world.ledger, operators=shapes, most_epochs=500)
        self.finished: list[Found] = []

    def chosen(self) -> Found:
        return choose(
            IMAGES,
            screening=self.screening,
            trainer=self.trainer,
            seconds=2400,
            spent=lambda: self.screening.spent.seconds + self.trainer.spent.seconds,
            reserve_s=0.0,
        )

    def finish(self, found: Found, failing: int, left_s: float = 300.0) -> tuple[Found, float]:
        """The first so many trainings in full fail."""

        def one(found: Found) -> float | None:
            self.finished.append(found)
            if len(self.finished) <= failing:
                self.trainer.failed[found.plan] = "its training diverged"
                return None
            return 0.9

        return finish_best(found, self.trainer, finish=one, left_s=lambda: left_s)


def test_a_pilot_that_ends_in_no_file_counts_as_failed_with_its_reason() -> None:
    search = Search(Untold())
    found = search.chosen()
    assert found.plan.structure.family == "depthwise"
    failed = search.trainer.failed
    assert {plan.structure.family for plan in failed} == {"residual"}
    assert set(failed.values()) == {"the file differs from the student"}
    assert all(plan.structure.family == "depthwise" for plan in found.others)


def test_where_every_pilot_ends_in_no_file_the_reason_is_told_and_no_rate_is_blamed() -> None:
    world = Untold()
    space = replace(
        IMAGES, structures=tuple(s for s in IMAGES.structures if s.family == "residual")
    )
    with pytest.raises(InputError, match="the file differs from the student") as refused:
        solve(space, limits(), screen=world.screen, evaluate=world.evaluate, seconds=2400)
    assert refused.value.where == "student"


def test_a_winner_that_fails_in_full_gives_way_to_the_next_best_in_the_time_that_is_left() -> None:
    world = World()
    search = Search(world)
    chosen = search.chosen()
    found, seen = search.finish(chosen, failing=2)
    assert seen == 0.9
    assert [one.plan for one in search.finished] == [chosen.plan, *chosen.others[:2]]
    assert found.plan == chosen.others[1]
    assert found.fits
    own = world.epoch_s(found.plan)
    assert found.epochs == int((300.0 - search.trainer.start_s) / own)
    # The last round had 3 of 6: its best won, the others of it come before those it left out.
    last = [(world.accuracy(plan, epochs), plan) for plan, _, epochs in world.pilots[-3:]]
    best_first = [plan for _, plan in sorted(last, key=lambda pair: -pair[0])]
    assert (chosen.plan, *chosen.others)[:3] == tuple(best_first)
    assert len(chosen.others) == 5


def test_where_no_training_in_full_is_left_the_last_reason_is_told() -> None:
    search = Search(World())
    chosen = search.chosen()
    with pytest.raises(InputError, match="could be trained in full") as refused:
        search.finish(chosen, failing=99)
    assert len(search.finished) == 1 + len(chosen.others)
    assert "its training diverged" in refused.value.what
