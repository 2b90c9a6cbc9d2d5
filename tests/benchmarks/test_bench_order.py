"""Who goes when: balanced, seeded, and odd under a swap."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from benchmarks.order import block_order, epoch_value, slots
from benchmarks.pace import Pace, rounds_for


def test_two_models_go_abba() -> None:
    assert block_order((1, 0), 4) == ((1, 0), (0, 1), (1, 0), (0, 1))


def test_four_models_have_equal_mean_places_over_two_rounds() -> None:
    turns = [index for turn in block_order((2, 0, 3, 1), 2) for index in turn]
    for subject in range(4):
        places = [place for place, index in enumerate(turns) if index == subject]
        assert sum(places) == 7


def test_coin_is_fair_and_seeded() -> None:
    rng = random.Random(0)
    counts = Counter(slots(2, rng) for _ in range(1000))
    assert 450 < counts[0, 1] < 550
    assert slots(4, random.Random(7)) == slots(4, random.Random(7))


def test_linear_drift_cancels() -> None:
    rounds = 10
    drift = [[0.0] * rounds, [0.0] * rounds]
    clock = 0
    for number, turn in enumerate(block_order((0, 1), rounds)):
        for index in turn:
            drift[index][number] = 0.01 * clock + (0.3 if index == 1 else 0.0)
            clock += 1
    assert epoch_value(drift[0], drift[1]) == pytest.approx(0.3)


def test_swapping_the_models_flips_the_sign() -> None:
    a, b = [0.1, 0.5, 0.2, 0.2], [0.3, 0.1, 0.9, 0.4]
    assert epoch_value(a, b) == -epoch_value(b, a)


def test_a_slow_model_gets_two_rounds_more_where_they_give_it_a_p95() -> None:
    assert rounds_for(Pace(), calls=1, epochs=12) == 12  # 144 calls; 120 would be too few
    assert rounds_for(Pace(), calls=2, epochs=12) == 20
    assert rounds_for(Pace(), calls=1, epochs=3) == 10
