from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from compress.errors import InputError
from compress.metrics.accuracy import quality, wilson_interval
from compress.metrics.paired import pair

NAMES = ("ant", "bee", "cat", "dog")


@pytest.mark.parametrize(("correct", "samples"), [(0, 5), (5, 5), (1, 1), (9500, 10_000), (3, 7)])
def test_wilson_against_scipy(correct: int, samples: int) -> None:
    for confidence in (0.95, 0.9):
        expected = binomtest(correct, samples).proportion_ci(confidence, method="wilson")
        found = wilson_interval(correct, samples, confidence=confidence)
        assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("correct", "samples"), [(0, 0), (2, 1), (-1, 3)])
def test_wilson_refuses_what_is_no_proportion(correct: int, samples: int) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        wilson_interval(correct, samples)


def test_quality_counts_and_bounds() -> None:
    labels = np.arange(10_000) % 4
    predicted = np.where(np.arange(10_000) < 9_200, labels, (labels + 1) % 4)
    found = quality("student", predicted, labels)
    assert (found.subject, found.samples, found.accuracy) == ("student", 10_000, 0.92)
    assert found.accuracy_low == pytest.approx(0.914520, abs=1e-6)
    assert found.accuracy_high == pytest.approx(0.925157, abs=1e-6)


def _case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ant: 2 of 4 lost; bee: 1 of 4 gained; cat: 1 lost and 1 gained; no dog."""
    labels = np.repeat([0, 1, 2], 4)
    teacher = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 0])
    student = np.array([0, 0, 3, 1, 1, 1, 1, 1, 2, 2, 0, 2])
    return teacher, student, labels


def test_pair_counts_flips_and_sorts_the_worst_class_first() -> None:
    found = pair("teacher", "student", *_case(), NAMES)
    assert (found.reference, found.candidate, found.samples) == ("teacher", "student", 12)
    assert (found.lost, found.gained) == (3, 2)
    assert found.difference == pytest.approx(-1 / 12)
    assert found.difference_low_bound < found.difference < found.difference_high_bound
    assert found.negative_flip_rate == 0.25
    assert found.negative_flip_rate_upper == pytest.approx(0.527327, abs=1e-6)
    assert found.agreement == pytest.approx(7 / 12)
    assert found.mcnemar_p == pytest.approx(1.0 - 0.3125)
    assert [change.name for change in found.classes] == ["ant", "cat", "bee"]
    ant, cat, bee = found.classes
    assert (ant.teacher_accuracy, ant.student_accuracy, ant.lost, ant.gained) == (1.0, 0.5, 2, 0)
    assert (cat.teacher_accuracy, cat.student_accuracy, cat.lost, cat.gained) == (0.75, 0.75, 1, 1)
    assert (bee.teacher_accuracy, bee.student_accuracy, bee.lost, bee.gained) == (0.75, 1.0, 0, 1)
    assert sum(change.samples for change in found.classes) == 12


def test_pair_turned_round_turns_the_signs() -> None:
    teacher, student, labels = _case()
    forward = pair("a", "b", teacher, student, labels, NAMES)
    back = pair("b", "a", student, teacher, labels, NAMES)
    assert back.difference == -forward.difference
    assert back.difference_low_bound == -forward.difference_high_bound
    assert (back.lost, back.mcnemar_p) == (forward.gained, forward.mcnemar_p)


def test_pair_of_equal_predictions() -> None:
    labels = np.arange(100) % 4
    found = pair("a", "b", labels, labels, labels, NAMES)
    assert (found.difference, found.mcnemar_p, found.agreement) == (0.0, 1.0, 1.0)
    assert (found.lost, found.gained, found.negative_flip_rate) == (0, 0, 0.0)
    assert -0.03 < found.difference_low_bound < 0.0 < found.difference_high_bound < 0.03


def _bad_inputs() -> list[tuple[str, tuple[Any, Any, Any]]]:
    labels = np.arange(8) % 4
    return [
        ("7 predictions for 8 labels", (labels[:7], labels, labels)),
        ("no samples", (labels[:0], labels[:0], labels[:0])),
        ("shape \\(8, 4\\)", (labels, np.zeros((8, 4)), labels)),
        ("float64", (labels, labels.astype(float), labels)),
        ("labels run from 1 to 4", (labels, labels, labels + 1)),
        ("labels run from -1 to 2", (labels, labels, labels - 1)),
    ]


@pytest.mark.parametrize(("reason", "arrays"), _bad_inputs())
def test_pair_refuses_what_can_not_be_compared(reason: str, arrays: tuple[Any, Any, Any]) -> None:
    with pytest.raises(InputError, match=reason):
        pair("teacher", "student", *arrays, NAMES)


def test_metrics_load_neither_scipy_nor_torch() -> None:
    code = (
        "import sys, compress.metrics.paired, compress.metrics.accuracy; "
        "print([m for m in ('scipy', 'torch', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
