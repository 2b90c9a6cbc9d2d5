"""Losses against exact values in float64, and the laws that they keep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.distill.losses.kd import kd
from compress.distill.losses.labels import labels
from compress.distill.objective import build_objective, needs_teacher
from compress.errors import InputError
from compress.recipe.nodes import KdLoss, LabelsLoss

# Made from the formulas in numpy float64; each entry carries its formula.
GOLDEN = json.loads(Path(__file__).with_name("golden_kd.json").read_text())
STUDENT = torch.tensor(GOLDEN["inputs"]["ZS"], dtype=torch.float64)
TEACHER = torch.tensor(GOLDEN["inputs"]["ZT"], dtype=torch.float64)
TARGET = torch.tensor(GOLDEN["inputs"]["Y"])


def golden(name: str) -> torch.Tensor:
    return torch.tensor(GOLDEN["golden"][name]["value"], dtype=torch.float64)


@pytest.mark.parametrize("temperature", [1, 2, 4])
def test_kd_equals_the_exact_value(temperature: int) -> None:
    value = kd(STUDENT, TEACHER, temperature=temperature)
    torch.testing.assert_close(value, golden(f"kd_T{temperature}"), rtol=1e-9, atol=0)


def test_kd_is_not_the_mean_over_classes() -> None:
    trap = golden("kd_T4_wrong_mean_reduction")
    value = kd(STUDENT, TEACHER, temperature=4)
    torch.testing.assert_close(value / trap, torch.tensor(4.0, dtype=torch.float64))


def test_kd_gradient_equals_the_exact_value_and_none_reaches_the_teacher() -> None:
    student = STUDENT.clone().requires_grad_()
    teacher = TEACHER.clone().requires_grad_()
    kd(student, teacher, temperature=4).backward()
    torch.testing.assert_close(student.grad, golden("kd_T4_grad_zs"), rtol=1e-9, atol=1e-15)
    assert teacher.grad is None


def test_hintons_loss_equals_the_exact_value() -> None:
    objective = build_objective(KdLoss(kind="kd", temperature=4, weight=0.9))
    value = objective(STUDENT, TARGET, TEACHER)
    torch.testing.assert_close(value, golden("kd_total_T4_a0.9"), rtol=1e-9, atol=0)


def test_labels_equals_the_exact_value() -> None:
    torch.testing.assert_close(labels(STUDENT, TARGET), golden("ce"), rtol=1e-9, atol=0)


def test_label_smoothing_mixes_in_the_uniform_distribution() -> None:
    smoothed = labels(STUDENT, TARGET, smoothing=0.1)
    uniform = -torch.log_softmax(STUDENT, 1).mean()
    torch.testing.assert_close(smoothed, 0.9 * golden("ce") + 0.1 * uniform)


def test_a_kd_loss_without_teacher_outputs_names_the_cure() -> None:
    objective = build_objective(KdLoss(kind="kd"))
    with pytest.raises(InputError, match="add `teacher:`"):
        objective(STUDENT, TARGET, None)


def test_only_kd_needs_a_teacher() -> None:
    assert needs_teacher(KdLoss(kind="kd"))
    assert not needs_teacher(LabelsLoss(kind="labels"))


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 5),
    classes=st.integers(2, 12),
    temperature=st.floats(0.5, 20),
)
def test_kd_is_zero_at_the_teacher_positive_elsewhere_and_blind_to_a_shift(
    seed: int, batch: int, classes: int, temperature: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    teacher = torch.randn(batch, classes, generator=generator, dtype=torch.float64)
    student = torch.randn(batch, classes, generator=generator, dtype=torch.float64)
    assert float(kd(teacher, teacher, temperature=temperature)) == pytest.approx(0, abs=1e-12)
    value = float(kd(student, teacher, temperature=temperature))
    assert value >= 0
    shifted = float(kd(student + 3.0, teacher - 1.0, temperature=temperature))
    assert shifted == pytest.approx(value, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kd_is_finite_at_huge_logits_and_with_a_zero_head(dtype: torch.dtype) -> None:
    huge = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 5.0]], dtype=dtype)
    for student in (-huge, torch.zeros_like(huge)):
        student = student.clone().requires_grad_()
        value = kd(student, huge, temperature=1)
        value.backward()
        assert torch.isfinite(value)
        assert value.dtype == torch.float32
        assert torch.isfinite(student.grad).all()


def test_the_scale_of_kd_gradients_hardly_depends_on_the_temperature() -> None:
    """What the factor T^2 is for; without it the ratio would be near 16."""
    norms = []
    for temperature in (4.0, 16.0):
        student = STUDENT.clone().requires_grad_()
        kd(student, TEACHER, temperature=temperature).backward()
        norms.append(float(student.grad.norm()))
    assert 0.5 < norms[0] / norms[1] < 2.0
