"""The loss that weighs samples by whether the teacher is right."""

from __future__ import annotations

import pytest
import torch
from small_training import bars_task, fit, net

from compress.distill.losses.focal import focal
from compress.distill.losses.kd import kd
from compress.errors import InputError

STUDENT = torch.tensor([[1.0, 2.0, 0.5], [0.2, -0.3, 1.5]], dtype=torch.float64)
TEACHER = torch.tensor([[2.0, 1.0, 0.1], [0.0, 0.5, 3.0]], dtype=torch.float64)


def test_samples_that_the_teacher_gets_right_weigh_more() -> None:
    rows = [kd(STUDENT[i : i + 1], TEACHER[i : i + 1], temperature=4.0).item() for i in (0, 1)]
    target = torch.tensor([0, 1])  # right, wrong
    expected = (6.0 * rows[0] + 1.0 * rows[1]) / 2
    assert focal(STUDENT, TEACHER, target).item() == pytest.approx(expected, rel=1e-12)
    unlabelled = torch.tensor([-100, -100])
    assert focal(STUDENT, TEACHER, unlabelled).item() == pytest.approx(sum(rows) / 2, rel=1e-12)
    assert focal(TEACHER, TEACHER, target).item() == 0.0


def test_mixed_labels_are_refused() -> None:
    with pytest.raises(InputError, match="no meaning on mixed"):
        focal(STUDENT, TEACHER, torch.full((2, 3), 1 / 3))


def test_a_recipe_reaches_it_and_mixup_does_not() -> None:
    task = bars_task()
    trained = fit(net(), task, loss="focal", teacher=net(8, seed=1), epochs=3)
    assert trained.epochs[-1].train_loss < trained.epochs[0].train_loss
    with pytest.raises(InputError, match="focal"):
        fit(net(), task, loss="focal", teacher=net(8, seed=1), mixup=1.0)
