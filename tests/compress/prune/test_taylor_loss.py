"""Gradients of the recipe's Taylor loss: taken in parts, equal to those of one batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from compress.metrics.fidelity import spread_rows
from compress.prune.importance import scores_of
from compress.prune.trace import trace
from compress.prune.units import units_of
from compress.students.inherited import class_loss
from compress.tasks.augment import Augmentation
from compress.tasks.data import Samples, Task
from compress.tasks.views import as_inputs


class Small(nn.Module):
    """Keeps how many samples each call had."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
        self.seen: list[int] = []

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.append(len(inputs))
        scores: Tensor = self.body(inputs)
        return scores


def _task() -> Task:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 41)
    labels[::4] = -1  # unknown
    part = Samples(
        ids=np.arange(41), inputs=rng.normal(size=(41, 6)).astype(np.float32), labels=labels
    )
    return Task(
        name="rows",
        classes=("a", "b", "c"),
        input_name="inputs",
        scale=1.0,
        augmentation=Augmentation(),
        fingerprint="rows",
        train=part,
        validation=part,
        test=lambda: part,
    )


def test_gradients_in_parts_are_those_of_one_batch() -> None:
    torch.manual_seed(0)
    task, module = _task(), Small().eval()
    spread = spread_rows(len(task.train), 40)
    rows = task.train.inputs[spread]

    def at_once(network: nn.Module) -> Tensor:
        scores: Tensor = network(*as_inputs(task, rows))
        labels = torch.from_numpy(task.train.labels[spread])
        return nn.functional.cross_entropy(
            scores, torch.where(labels >= 0, labels, scores.detach().argmax(1))
        )

    found = trace(module, as_inputs(task, rows[:2]))
    units = units_of(found)
    module.seen.clear()
    whole, parts = (
        scores_of(units, module, by="taylor", count=found.known.count, loss=loss)
        for loss in (at_once, class_loss(task, 40))
    )
    assert module.seen == [40, 16, 16, 8]
    assert whole.max() > 0.01
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-7)
