"""The loss that weighs samples by whether the teacher is right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_training import bars_task, fit, net
from torch import nn

from compress import distill
from compress.distill.losses.focal import focal
from compress.distill.losses.kd import kd
from compress.errors import InputError
from compress.tasks.data import ArrayData

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


class Sloped(nn.Module):
    """Right, by the first number, but where the second is large: there it always says yes."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        yes = torch.where(rows[:, 1] > 0.7, 6.0, 4.0 * rows[:, 0])
        return torch.stack([torch.zeros_like(yes), yes], dim=1)


def _negative_flips(loss: str) -> int:
    """Of 4,000 samples, those that the teacher has right and its linear student wrong."""
    random = np.random.default_rng(0)

    def part(count: int) -> tuple[np.ndarray, np.ndarray]:
        rows = random.normal(size=(count, 2)).astype(np.float32)
        return rows, (rows[:, 0] > 0).astype(np.int64)

    train, test = part(1000), part(4000)
    data = ArrayData(train=train, test=test, validation=part(100), classes=("no", "yes"))
    torch.manual_seed(0)
    trained = distill(
        Sloped(),
        nn.Linear(2, 2),
        data=data,
        loss={"kind": loss, "temperature": 1, "weight": 1, "label_weight": 0},
        settings={"epochs": 6, "batch": 50, "learning_rate": 0.1, "average": 0.9},
    )
    rows, labels = torch.from_numpy(test[0]), torch.from_numpy(test[1])
    with torch.no_grad():
        right = Sloped()(rows).argmax(1) == labels
        lost = right & (trained.module(rows).argmax(1) != labels)
    assert 0.8 < float(right.float().mean()) < 0.95
    return int(lost.sum())


def test_fewer_answers_of_the_teacher_get_lost_than_under_kd() -> None:
    plain, leaning = _negative_flips("kd"), _negative_flips("focal")
    assert plain > 200
    assert leaning < 0.6 * plain, (plain, leaning)


def test_mixed_labels_are_refused() -> None:
    with pytest.raises(InputError, match="no meaning on mixed"):
        focal(STUDENT, TEACHER, torch.full((2, 3), 1 / 3))


def test_a_recipe_reaches_it_and_mixup_does_not() -> None:
    task = bars_task()
    trained = fit(net(), task, loss="focal", teacher=net(8, seed=1), epochs=3)
    assert trained.epochs[-1].train_loss < trained.epochs[0].train_loss
    with pytest.raises(InputError, match="focal"):
        fit(net(), task, loss="focal", teacher=net(8, seed=1), mixup=1.0)
