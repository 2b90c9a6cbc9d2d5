"""Candidates of which no file can be made, beside others that can."""

from __future__ import annotations

import math

import pytest
from made_world import World, shapes

from compress import solve
from compress.errors import InputError
from compress.search.ledger import Screened, not_made
from compress.search.screening import Limit
from compress.search.space import FLOAT, Plan, space_for

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
