"""Successive halving: who runs, who goes on, what stops it."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.search.race import Race, pilots, race

QUALITY = {"kd": 0.93, "dkd": 0.95, "dist": 0.94, "hint": 0.90, "none": 0.92, "smooth": 0.925}
ARMS, CONTROLS = ("kd", "dkd", "dist", "hint"), ("none", "smooth")


def by_quality(arm: str, seed: int, epochs: int) -> float:
    return QUALITY[arm] + 0.001 * seed - 0.1 / epochs


def test_half_of_the_arms_and_all_controls_reach_the_longer_round() -> None:
    found = race(ARMS, controls=CONTROLS, evaluate=by_quality, seeds=(0, 1, 2), rungs=(2, 4, 8))
    assert [set(rung.scores) for rung in found.rungs] == [
        {"kd", "dkd", "dist", "hint", "none", "smooth"},
        {"dkd", "dist", "none", "smooth"},
        {"dkd", "none", "smooth"},
    ]
    assert found.last.epochs == 8
    assert found.last.scores["dkd"] == pytest.approx((0.9375, 0.9385, 0.9395))


def test_every_arm_of_a_round_has_the_same_seeds_and_lengths() -> None:
    seen: Counter[tuple[str, int, int]] = Counter()

    def evaluate(arm: str, seed: int, epochs: int) -> float:
        seen[arm, seed, epochs] += 1
        return QUALITY[arm]

    race(ARMS, controls=CONTROLS, evaluate=evaluate, seeds=(3, 7), rungs=(1, 2))
    assert set(seen.values()) == {1}
    assert {(arm, seed) for arm, seed, epochs in seen if epochs == 1} == {
        (arm, seed) for arm in (*ARMS, *CONTROLS) for seed in (3, 7)
    }


def test_more_seeds_can_decide_the_last_round_and_each_round_is_told_ahead() -> None:
    told: list[int] = []
    found = race(
        ARMS,
        controls=(),
        evaluate=by_quality,
        seeds=(0,),
        last_seeds=(0, 1, 2),
        rungs=(1, 2),
        ahead=lambda pilots: told.append(len(pilots)),
    )
    assert [rung.seeds for rung in found.rungs] == [(0,), (0, 1, 2)]
    assert told == [4, 6]
    assert found.last.scores["dkd"] == pytest.approx((0.90, 0.901, 0.902))


def test_an_arm_that_diverged_does_not_go_on() -> None:
    def evaluate(arm: str, seed: int, epochs: int) -> float:
        return math.nan if arm == "dkd" and seed == 1 else QUALITY[arm]

    found = race(ARMS, controls=CONTROLS, evaluate=evaluate, seeds=(0, 1), rungs=(1, 2))
    assert set(found.last.scores) == {"dist", "kd", "none", "smooth"}


def test_a_race_out_of_time_is_decided_by_its_last_complete_round() -> None:
    left = [14]

    def go_on(arm: str, epochs: int) -> bool:
        left[0] -= 1
        return left[0] >= 0

    found = race(
        ARMS, controls=CONTROLS, evaluate=by_quality, seeds=(0, 1), rungs=(1, 2), go_on=go_on
    )
    assert [rung.complete for rung in found.rungs] == [True, False]
    assert found.last.epochs == 1


def test_enough_whole_seeds_decide_a_round_that_ran_out_of_time() -> None:
    left = [0]

    def go_on(arm: str, epochs: int) -> bool:
        left[0] -= 1
        return left[0] >= 0

    def held(enough: int) -> Race:
        left[0] = 4 * 6 + 2 * 4 + 3  # a round of four seeds, two of the next and a part of one
        return race(
            ARMS,
            controls=CONTROLS,
            evaluate=by_quality,
            seeds=(0, 1, 2, 3),
            rungs=(1, 2, 4),
            go_on=go_on,
            enough=enough,
        )

    last = held(enough=2).last
    assert (last.epochs, last.seeds) == (2, (0, 1))
    assert last.scores["dkd"] == pytest.approx((0.90, 0.901))
    assert held(enough=3).last.epochs == 1
    assert len(held(enough=2).rungs) == 2


def test_no_time_for_the_first_round_is_an_error() -> None:
    with pytest.raises(ValueError, match="ran out before"):
        race(
            ARMS,
            controls=CONTROLS,
            evaluate=by_quality,
            seeds=(0,),
            rungs=(1,),
            go_on=lambda arm, epochs: False,
        )


@pytest.mark.parametrize(
    ("arms", "seeds", "rungs", "said"),
    [
        ((), (0,), (1,), "each named once"),
        (("kd", "none"), (0,), (1,), "each named once"),
        (("kd",), (), (1,), "different seeds"),
        (("kd",), (0, 0), (1,), "different seeds"),
        (("kd",), (0,), (2, 2), "grow longer"),
        (("kd",), (0,), (), "grow longer"),
    ],
)
def test_a_race_that_makes_no_sense_is_refused(
    arms: tuple[str, ...], seeds: tuple[int, ...], rungs: tuple[int, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        race(arms, controls=("none",), evaluate=by_quality, seeds=seeds, rungs=rungs)


@given(arms=st.integers(1, 12), rounds=st.integers(1, 4))
def test_the_number_of_pilots_is_known_before(arms: int, rounds: int) -> None:
    rungs = [2**n for n in range(rounds)]
    names = [f"arm{n}" for n in range(arms)]
    found = race(
        names,
        controls=("none",),
        evaluate=lambda arm, seed, epochs: float(len(arm)),
        seeds=(0,),
        rungs=rungs,
    )
    assert [len(rung.scores) for rung in found.rungs] == list(pilots(arms, 1, rungs=rungs))
