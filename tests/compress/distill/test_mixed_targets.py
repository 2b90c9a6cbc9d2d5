"""Labels of mixtures: a part that has none adds nothing, alone, in parts or across processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from test_batch_in_parts import few_labels

from compress.distill.feed import Batch, TrainingFeed
from compress.distill.losses.labels import labels, sigmoid_labels
from compress.distill.objective import build_objective
from compress.distill.shares import WHOLE
from compress.recipe.loss_nodes import LossNode

SCORES = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0], [4.0, 4.0, -2.0]], dtype=torch.float64)
MIXED = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
NONE = torch.zeros(1, 3, dtype=torch.float64)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mixture_without_a_label_adds_nothing(smoothing: float) -> None:
    scores = SCORES.clone().requires_grad_()
    loss = labels(scores, torch.cat([MIXED, NONE]), smoothing=smoothing)
    # Two of three: the mean is over all samples, so each weighs what it does among labelled ones.
    assert float(loss.detach()) == pytest.approx(
        2 / 3 * float(labels(SCORES[:2], MIXED, smoothing=smoothing))
    )
    (gradient,) = torch.autograd.grad(loss, scores)
    assert float(gradient[2].abs().max()) == 0.0
    assert float(sigmoid_labels(SCORES, torch.cat([MIXED, NONE]))) == pytest.approx(
        2 / 3 * float(sigmoid_labels(SCORES[:2], MIXED))
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mixture_counts_by_the_part_whose_label_is_known(smoothing: float) -> None:
    known = torch.tensor([[0.0, 0.6, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    alone = [
        float(labels(SCORES[[row]], target[None] / target.sum(), smoothing=smoothing))
        for row, target in enumerate(known)
    ]
    wanted = (0.6 * alone[0] + alone[1] + alone[2]) / 3
    assert float(labels(SCORES, known, smoothing=smoothing)) == pytest.approx(wanted)


def loss_of(batch: Batch, node: dict[str, object], processes: int = 1) -> float:
    pixels = batch.inputs[0].double().flatten(1)
    scores = torch.stack([pixels.sin().sum(1), pixels.cos().sum(1), pixels.square().sum(1)], -1)
    shares = WHOLE
    if batch.whole is not None:
        shares = batch.counts().shares_of(batch.whole, processes=processes)
    objective = build_objective(TypeAdapter(LossNode).validate_python(node), soft_labels=True)
    return float(objective(scores, batch.target.double(), scores.roll(1, 1), shares=shares))


@pytest.mark.parametrize(
    "node",
    [
        {"kind": "labels", "smoothing": 0.1},
        {"kind": "kd", "label_weight": 1.0},
        {"kind": "kd", "form": "sigmoid", "label_weight": 1.0},
    ],
    ids=["labels", "kd", "sigmoid"],
)
def test_parts_of_mixtures_and_processes_have_the_loss_of_the_whole(
    node: dict[str, object],
) -> None:
    def batches(process: int = 0, processes: int = 1) -> list[Batch]:
        feed = TrainingFeed(
            task=few_labels(), batch=16, seed=0, mixup=0.4, process=process, processes=processes
        )
        return list(feed.batches(0))

    wanted = [loss_of(batch, node) for batch in batches()]
    divided = [[loss_of(batch, node, 3) for batch in batches(at, 3)] for at in range(3)]
    assert np.mean(divided, axis=0) == pytest.approx(wanted, rel=1e-5)
    parts = [
        sum(loss_of(batch.part(slice(at, at + 5)), node) for at in range(0, 16, 5))
        for batch in batches()
    ]
    assert parts == pytest.approx(wanted, rel=1e-5)
