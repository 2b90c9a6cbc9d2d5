"""A batch that is computed in parts has the gradient of the whole, whatever its terms average."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from pydantic import TypeAdapter
from small_training import bars_task
from torch import Tensor, nn

from compress.distill.feed import Batch, TrainingFeed
from compress.distill.learner import make_learner
from compress.distill.objective import build_objective
from compress.distill.shares import WHOLE
from compress.distill.teaching import OnlineTeacher
from compress.distill.update import Update
from compress.recipe.loss_needs import taps_of
from compress.recipe.loss_nodes import LossNode
from compress.tasks import StreamData, Task
from compress.tasks.streams import stream_task

NODES: TypeAdapter[Any] = TypeAdapter(LossNode)
SAMPLES, TOKENS, CLASSES = 13, 6, 4
OUTPUTS: dict[str, dict[str, Any]] = {
    "labels": {"kind": "labels"},
    "kd": {"kind": "kd"},
    "kd sigmoid": {"kind": "kd", "form": "sigmoid"},
    "hard": {"kind": "hard"},
    "regression": {"kind": "regression", "label_weight": 1.0},
    "dkd": {"kind": "dkd"},
    "nkd": {"kind": "nkd"},
    "focal": {"kind": "focal"},
    "embedding": {"kind": "embedding"},
    "sum": {"kind": "sum", "terms": [{"loss": "labels"}, {"loss": "kd", "weight": 0.3}]},
}
PAIR = {"student": "inner", "teacher": "inner"}
POOLED = {"student": "head", "teacher": "head"}
LAYERS: dict[str, dict[str, Any]] = {
    "hint": {"kind": "hint", "layers": [PAIR], "weight": 1.0},
    "hint on pooled": {"kind": "hint", "layers": [POOLED], "weight": 1.0},
    "relations": {"kind": "relations", "layers": [PAIR], "heads": 2},
    "distilbert": {"kind": "distilbert", "layers": [PAIR]},
    "embedding of layers": {"kind": "embedding", "layers": [PAIR]},
}


class Tokens(nn.Module):
    """(batch, tokens) ids and mask -> (batch, classes); `inner` gives a vector per token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding, self.inner = nn.Embedding(10, width), nn.Linear(width, width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        vectors = torch.relu(self.inner(self.embedding(ids))) * mask[..., None]
        scores: Tensor = self.head(vectors.sum(1) / mask.sum(1, keepdim=True))
        return scores


class Frames(nn.Module):
    """(batch, frames, 3) and mask -> (batch, frames, classes)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(3, width), nn.Linear(width, CLASSES)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        scores: Tensor = self.head(torch.tanh(self.inner(features)))
        return scores


def _random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _mask() -> Tensor:
    """Long samples first: parts differ in what they hold."""
    counts = torch.tensor([6, 6, 6, 5, 5, 4, 3, 2, 2, 1, 1, 1, 1])
    return (torch.arange(TOKENS)[None, :] < counts[:, None]).long()


def text_batch() -> Batch:
    """Labels of the first samples alone are known, and one of the last."""
    target = torch.randint(0, CLASSES, (SAMPLES,), generator=_random())
    target[5:12] = -100
    ids = torch.randint(0, 10, (SAMPLES, TOKENS), generator=_random())
    return Batch(inputs=(ids, _mask()), target=target, teacher=None, mask=_mask())


def stream_batch() -> Batch:
    mask = _mask().bool()
    target = torch.randint(0, CLASSES, (SAMPLES, TOKENS), generator=_random())
    target[1, :4], target[6:] = -100, -100
    target[~mask], target[12, 0] = -100, 2
    features = torch.randn(SAMPLES, TOKENS, 3, generator=_random(), dtype=torch.float64)
    return Batch(inputs=(features, mask.long()), target=target, teacher=None, mask=mask.long())


def gradients(
    node: dict[str, Any], batch: Batch, network: type[nn.Module], *, accumulate: int
) -> dict[str, Tensor]:
    """By a step of plain SGD at rate 1: the weights move by the gradient."""
    loss = NODES.validate_python(node)
    torch.manual_seed(1)
    student, other = network(4).double(), network(8).double()
    taps, teacher = taps_of(loss), OnlineTeacher(network=other, taps=taps_of(loss))
    learner: nn.Module = student
    if taps:
        learner = make_learner(student, teacher, taps=taps, example=batch.inputs, seed=0).double()
    before = copy.deepcopy(dict(learner.named_parameters()))
    accelerator = Accelerator(cpu=True)
    optimizer = accelerator.prepare(torch.optim.SGD(learner.parameters(), lr=1.0))
    update = Update(
        learner=learner,
        model=learner,
        optimizer=optimizer,
        objective=build_objective(loss),
        accelerator=accelerator,
        teacher=teacher,
        clip=None,
        accumulate=accumulate,
        seed=0,
    )
    update(batch, step=5, steps=10, stop=lambda: False)
    with torch.no_grad():
        return {name: before[name] - value for name, value in learner.named_parameters()}


def alike(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert max(float(value.abs().max()) for value in wanted.values()) > 1e-3
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("parts", [2, 5])
@pytest.mark.parametrize("name", OUTPUTS | LAYERS)
def test_parts_have_the_gradient_of_the_whole(name: str, parts: int) -> None:
    node = (OUTPUTS | LAYERS)[name]
    whole = gradients(node, text_batch(), Tokens, accumulate=1)
    alike(gradients(node, text_batch(), Tokens, accumulate=parts), whole)


@pytest.mark.parametrize("name", ["labels", "kd", "hint"])
def test_parts_of_streams_have_the_gradient_of_the_whole(name: str) -> None:
    node = (OUTPUTS | LAYERS)[name]
    whole = gradients(node, stream_batch(), Frames, accumulate=1)
    alike(gradients(node, stream_batch(), Frames, accumulate=3), whole)


def few_labels() -> Task:
    """20 of 192 samples keep their label."""
    task = bars_task()
    labels = task.train.labels.copy()
    labels[20:] = -100
    return replace(task, train=replace(task.train, labels=labels))


def streams() -> Task:
    random = np.random.default_rng(0)

    def part(count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        counts = random.integers(2, 20, count)
        rows = [random.normal(size=(frames, 3)).astype(np.float32) for frames in counts]
        return rows, [np.where(row[:, 0] < 0, -100, (row[:, 1] > 0) + 1) for row in rows]

    return stream_task(StreamData(train=part(60), test=part(10), classes=("a", "b", "c")))


@pytest.mark.parametrize("make", [few_labels, streams])
def test_processes_share_the_loss_of_the_global_batch(make: Callable[[], Task]) -> None:
    """Each sees its own samples, and the mean over processes is the loss of all of them."""
    task = make()
    node = NODES.validate_python({"kind": "kd", "label_weight": 1.0})
    objective = build_objective(node)

    def losses(process: int, processes: int) -> list[float]:
        feed = TrainingFeed(task=task, batch=16, seed=0, process=process, processes=processes)
        found = []
        for batch in feed.batches(0):
            sample = batch.inputs[0].double()
            scores = torch.stack([sample.sin(), sample.cos(), sample.square()], -1)
            scores = scores.sum(2) if batch.by_frame else scores.flatten(1, -2).sum(1)
            target = batch.target
            if batch.by_frame:
                kept = batch.mask.bool()
                scores, target = scores[kept], target[kept]
            shares = WHOLE
            if batch.whole is not None:
                shares = batch.counts().shares_of(batch.whole, processes=processes)
            found.append(float(objective(scores, target, scores.roll(1, 1), shares=shares)))
        return found

    whole = losses(0, 1)
    parts = [losses(process, 3) for process in range(3)]
    assert np.mean(parts, axis=0) == pytest.approx(whole, rel=1e-9)
    assert np.std(parts, axis=0).min() > 0
