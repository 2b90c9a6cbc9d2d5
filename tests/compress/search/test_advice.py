"""From a race to a recommendation: believed only where the interval excludes zero."""

from __future__ import annotations

import math

import numpy as np
import pytest

from compress.search.advice import advise, paired_interval
from compress.search.race import Race, Rung, race

CONTROLS = ("labels", "label smoothing")


def one_round(**scores: tuple[float, ...]) -> Race:
    named = {name.replace("_", " "): values for name, values in scores.items()}
    seeds = tuple(range(len(next(iter(scores.values())))))
    return Race(rungs=(Rung(epochs=4, seeds=seeds, scores=named),))


def test_a_gain_in_every_seed_is_recommended() -> None:
    race = one_round(
        labels=(0.90, 0.91, 0.89),
        label_smoothing=(0.91, 0.92, 0.90),
        kd=(0.930, 0.9405, 0.9195),
    )
    advice = advise(race, controls=CONTROLS)
    assert (advice.chosen, advice.helps) == ("kd", True)
    best = advice.rows[0]
    assert best.difference == pytest.approx(0.02)
    # t quantile of 2 degrees of freedom at 0.975, standard deviation 0.0005, three seeds
    half = 4.302652729911275 * 0.0005 / math.sqrt(3)
    assert (best.low, best.high) == (pytest.approx(0.02 - half), pytest.approx(0.02 + half))
    assert advice.reason.startswith("kd gains +2.00 pp over label smoothing")


def test_a_gain_within_the_noise_is_called_no_help() -> None:
    race = one_round(
        labels=(0.90, 0.91, 0.89), label_smoothing=(0.9, 0.9, 0.9), kd=(0.93, 0.90, 0.90)
    )
    advice = advise(race, controls=CONTROLS)
    assert (advice.chosen, advice.helps) == ("labels", False)
    assert advice.reason.startswith("distillation does not help here")


def test_a_single_seed_is_never_believed() -> None:
    race = one_round(labels=(0.5,), label_smoothing=(0.5,), kd=(0.9,))
    advice = advise(race, controls=CONTROLS)
    assert (advice.chosen, advice.helps) == ("labels", False)
    assert "one seed" in advice.reason


def test_arms_that_all_diverged_leave_the_control_and_a_cure() -> None:
    race = one_round(labels=(0.5, 0.6), label_smoothing=(0.6, 0.6), kd=(math.nan, 0.9))
    advice = advise(race, controls=CONTROLS)
    assert advice.chosen == "label smoothing"
    assert "learning_rate" in advice.reason


def test_an_arm_dropped_early_keeps_its_row() -> None:
    early = Rung(
        epochs=1,
        seeds=(0, 1),
        scores={
            "labels": (0.8, 0.8),
            "label smoothing": (0.8, 0.8),
            "kd": (0.85, 0.86),
            "dist": (0.81, 0.82),
        },
    )
    late = Rung(
        epochs=2,
        seeds=(0, 1),
        scores={"labels": (0.9, 0.9), "label smoothing": (0.9, 0.9), "kd": (0.95, 0.95)},
    )
    rows = advise(Race(rungs=(early, late)), controls=CONTROLS).rows
    assert [(row.arm, row.epochs) for row in rows] == [
        ("kd", 2),
        ("labels", 2),
        ("label smoothing", 2),
        ("dist", 1),
    ]


def test_among_equal_arms_at_most_one_race_in_twenty_believes_a_winner() -> None:
    """Five arms no better than the control: the false recommendations of 2,000 races."""
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(2000):
        scores = generator.normal(0.9, 0.004, size=(7, 5))
        names = (*CONTROLS, *(f"arm{n}" for n in range(5)))
        rung = Rung(
            epochs=4,
            seeds=tuple(range(5)),
            scores={name: tuple(map(float, row)) for name, row in zip(names, scores, strict=True)},
        )
        wrong += advise(Race(rungs=(rung,)), controls=CONTROLS).helps
    assert wrong / 2000 <= 0.05


def test_two_rounds_believe_no_more_than_one_although_the_first_chose_for_the_second() -> None:
    """Seven arms no better than the control, the same luck of a seed in both rounds: the races in
    which any of the four that are left is believed. The upper bounds alone are half of 5 %."""
    generator = np.random.default_rng(0)
    arms, believed = [f"arm{n}" for n in range(7)], 0
    for _ in range(2000):
        luck = generator.normal(0.9, 0.004, size=(8, 5))
        score = dict(zip(("labels", *arms), luck.tolist(), strict=True))
        found = race(
            arms,
            controls=("labels",),
            evaluate=lambda arm, seed, epochs, of=score: of[arm][seed] + 0.01 * epochs,
            seeds=range(5),
            rungs=(1, 2),
        )
        rows = [row for row in advise(found, controls=("labels",)).rows if row.epochs == 2]
        assert len(rows) == 1 + 4
        believed += any(row.low is not None and row.low > 0 for row in rows)
    chance = math.sqrt(0.025 * 0.975 / 2000)
    assert believed / 2000 <= 0.025 + 1.645 * chance


def test_an_interval_of_one_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="two seeds"):
        paired_interval([0.1])
