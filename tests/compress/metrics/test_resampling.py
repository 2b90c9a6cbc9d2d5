"""Metrics as functions of sums, and the paired cluster bootstrap over them."""

from __future__ import annotations

import numpy as np
import pytest

from compress.errors import InputError
from compress.metrics import totals as totals_module
from compress.metrics.bootstrap import group_spread, resample
from compress.metrics.scores import answers, probabilities
from compress.metrics.totals import HIGHER, NAMES, metrics_of, totals_of


def _scores(labels: np.ndarray, *, strength: float, seed: int, classes: int = 3) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(len(labels), classes))
    drawn[np.arange(len(labels)), labels] += strength
    return drawn.astype(np.float32)


def test_metrics_equal_values_by_hand() -> None:
    """Answers 0 0 1 1 for labels 0 1 1 1: F1 2/3 and 4/5; the worst class is 1 with 2 of 3."""
    chances = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    labels = np.array([0, 1, 1, 1])
    given = answers("student", chances, labels)
    drawn = resample([given], labels, classes=2, resamples=10)
    found = {name: drawn.points[name][0] for name in NAMES}
    assert found["accuracy"] == 0.75
    assert found["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found["worst_class_accuracy"] == pytest.approx(2 / 3)
    assert found["nll"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.7]).mean(), rel=1e-6)
    assert found["brier"] == pytest.approx((0.02 + 0.72 + 0.08 + 0.18) / 4, rel=1e-6)
    # Bins of .0667: .9, .6, .8 and .7 lie in four of them, off by .1, .6, .2 and .3.
    assert found["ece"] == pytest.approx(0.3, rel=1e-6)


def test_a_class_that_neither_occurs_nor_is_answered_is_no_part_of_macro_f1() -> None:
    labels = np.array([0, 1, 0, 1])
    given = answers("a", np.eye(5)[labels], labels)
    drawn = resample([given], labels, classes=5, resamples=10)
    assert drawn.points["macro_f1"][0] == 1.0
    assert drawn.points["worst_class_accuracy"][0] == 1.0


def test_scores_that_are_distributions_are_not_squashed_again() -> None:
    chances = np.array([[0.7, 0.3], [0.25, 0.75]])
    assert probabilities(chances) == pytest.approx(chances)
    assert probabilities(np.array([[2.0, 2.0]])) == pytest.approx(np.array([[0.5, 0.5]]))
    sure = answers("a", np.array([[1e4, -1e4]]), np.array([1]))
    assert sure.scored is not None
    assert np.isfinite(sure.scored.nll).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused_by_name(bad: float) -> None:
    scores = np.array([[1.0, 2.0], [bad, 0.0], [-np.inf, 3.0]])
    with pytest.raises(InputError, match="NaN or infinity to 1 of 3 samples") as caught:
        answers("student", scores, np.array([0, 1, 1]))
    assert caught.value.where == "student"


def test_many_classes_are_summed_in_another_way_to_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.arange(60) % 3
    given = [
        answers(s, _scores(labels, strength=k, seed=k), labels) for s, k in (("a", 1), ("b", 2))
    ]
    table = totals_of(given, labels, classes=3)
    weights = np.random.default_rng(0).integers(0, 4, (5, 60)).astype(np.float32)
    dense = metrics_of(table, table.sums(weights))
    monkeypatch.setattr(totals_module, "_DENSE", 0)
    sparse = metrics_of(table, table.sums(weights))
    for name in NAMES:
        assert sparse[name] == pytest.approx(dense[name], rel=1e-5)


def test_twins_differ_by_what_so_few_samples_can_hide() -> None:
    """Of n samples none differs: the score bound of the rate is z^2 / (n + z^2)."""
    labels = np.arange(300) % 3
    scores = _scores(labels, strength=1.5, seed=1)
    drawn = resample(
        [answers("teacher", scores, labels), answers("student", scores, labels)],
        labels,
        classes=3,
        resamples=500,
    )
    for name in NAMES:
        found = drawn.change(name, "teacher", "student")
        units = 100 if name == "worst_class_accuracy" else 300
        unseen = 1.6449**2 / (units + 1.6449**2) if name in HIGHER else 0.0
        assert (found.difference, found.difference_low) == (0.0, -unseen)
        assert found.difference_high == unseen
        assert found.ratio is None or (found.ratio, found.ratio_low) == (1.0, 1.0)


def test_twenty_right_answers_do_not_prove_a_hundred_percent() -> None:
    """No resample differs; the score bound says 88.1 % of twenty, 78.7 % of ten of a class."""
    labels = np.arange(20) % 2
    drawn = resample([answers("student", np.eye(2)[labels], labels)], labels, classes=2)
    found = {name: drawn.value(name, "student") for name in HIGHER}
    for name, low in (("accuracy", 0.881), ("macro_f1", 0.881), ("worst_class_accuracy", 0.787)):
        assert found[name].value == found[name].high == 1.0
        assert found[name].low == pytest.approx(low, abs=5e-4)


def test_copies_of_one_group_prove_no_more_than_one_of_them() -> None:
    labels = np.arange(200) % 3
    before, after = _scores(labels, strength=2, seed=1), _scores(labels, strength=1.5, seed=2)

    def width(times: int, *, grouped: bool) -> float:
        wide = np.repeat(labels, times)
        groups = np.repeat(np.arange(200), times) if grouped else None
        drawn = resample(
            [
                answers("teacher", np.repeat(before, times, axis=0), wide),
                answers("student", np.repeat(after, times, axis=0), wide),
            ],
            wide,
            classes=3,
            groups=groups,
            resamples=2000,
        )
        found = drawn.change("macro_f1", "teacher", "student")
        assert found.groups == (200 if grouped or times == 1 else 200 * times)
        return found.difference_high - found.difference_low

    alone = width(1, grouped=False)
    assert width(4, grouped=True) == pytest.approx(alone, rel=0.1)
    assert width(4, grouped=False) == pytest.approx(alone / 2, rel=0.15)


def test_bounds_of_the_bootstrap_hold_as_often_as_they_say() -> None:
    """One-sided 5 %: of 200 samples of 150 answers the true difference lies below 3 to 8 %."""
    generator = np.random.default_rng(5)
    below = 0
    for trial in range(200):
        labels = generator.integers(0, 2, 150)
        before = np.where(generator.random(150) < 0.9, labels, 1 - labels)
        after = np.where(generator.random(150) < 0.8, labels, 1 - labels)
        drawn = resample(
            [answers("a", np.eye(2)[before], labels), answers("b", np.eye(2)[after], labels)],
            labels,
            classes=2,
            seed=trial,
            resamples=1000,
        )
        below += drawn.change("accuracy", "a", "b").difference_low > -0.1
    assert 2 <= below <= 20


def test_the_spread_of_a_mean_over_groups() -> None:
    # Two groups of two: sums of deviations are +1 and -1; sqrt(2 / 1 * 2) / 4 = 0.5.
    count, spread = group_spread(np.array([1.0, 1.0, 0.0, 0.0]), np.array([7, 7, 9, 9]))
    assert (count, spread) == (2, 0.5)
    assert group_spread(np.array([1.0, 0.0]), np.array([3, 3]))[1] == float("inf")
