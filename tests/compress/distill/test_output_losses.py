"""Every loss on outputs trains a student from stored teacher outputs, as a recipe would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_training import bars_task, fit, net
from torch import nn

from compress.errors import InputError
from compress.tasks.data import Task

METHODS: dict[str, Any] = {
    "kd": {"kind": "kd", "standardize": True, "weight": 9, "label_weight": 0.1, "temperature": 2},
    "sigmoid": {"kind": "kd", "form": "sigmoid", "temperature": 2},
    "hard": {"kind": "hard", "weight": 1},
    "regression": {"kind": "regression", "form": "huber"},
    "dkd": {"kind": "dkd", "beta": 2},
    "dist": "dist",
    "nkd": "nkd",
    "embedding": "embedding",
    "sum": {
        "kind": "sum",
        "terms": [
            {"loss": "kd"},
            {"loss": "pkt", "weight": 0.01},
            {"loss": {"kind": "rkd", "angle": 0}, "weight": 0.1, "warmup": 0.5},
        ],
    },
}


@pytest.fixture(scope="module")
def task() -> Task:
    return bars_task()


@pytest.fixture(scope="module")
def stored(task: Task) -> list[np.ndarray]:
    """Scores of a teacher that calls class a b, b c and c a, so that who is followed shows."""
    shifted = (task.train.labels + 1) % 3
    noise = np.random.default_rng(0).normal(size=(len(shifted), 3))
    return [(6.0 * np.eye(3)[shifted] - 3.0 + 0.3 * noise).astype(np.float32)]


@pytest.mark.parametrize("name", METHODS)
def test_the_student_learns_what_the_teacher_says(
    task: Task, stored: list[np.ndarray], name: str
) -> None:
    torch.manual_seed(0)
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    shifted = replace(task.train, labels=stored[0].argmax(1).astype(np.int64))
    outcome = fit(
        student,
        replace(task, train=shifted),
        loss=METHODS[name],
        stored=stored,
        epochs=8,
        learning_rate=0.5,
    )
    first, last = outcome.epochs[0], outcome.epochs[-1]
    assert last.train_loss < first.train_loss or name == "dkd"  # its weight rises at first
    with torch.no_grad():
        scores = outcome.module(torch.from_numpy(task.prepare(task.train.inputs))).numpy()
    assert (scores.argmax(1) == stored[0].argmax(1)).mean() > 0.8


def test_mixtures_and_a_loss_that_needs_a_class_do_not_meet(
    task: Task, stored: list[np.ndarray]
) -> None:
    with pytest.raises(InputError, match="splits off the class of each sample"):
        fit(net(4), task, loss="nkd", stored=stored, mixup=1.0)
