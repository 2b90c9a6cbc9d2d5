"""Training in bfloat16: products are in half precision; weights, losses and resuming are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import Net, bars_task, bits, fit, net

from compress import distill
from compress.distill.devices import make_accelerator
from compress.distill.learner import Learner, make_learner
from compress.distill.losses.hint import hint
from compress.distill.teaching import OnlineTeacher
from compress.errors import Interrupted
from compress.recipe.loss_needs import Tap
from compress.tasks.data import Task

HALF = "bfloat16"
HINT = {
    "kind": "hint",
    "layers": [
        {"student": "second", "teacher": "second"},
        {"student": "tokens", "teacher": "tokens"},
    ],
    "weight": 1.0,
}
HINTED = {"kind": "sum", "terms": [{"loss": "labels"}, {"loss": HINT}]}


@pytest.fixture(scope="module")
def task() -> Task:
    return bars_task()


@pytest.fixture(autouse=True)
def float32_afterwards() -> Iterator[None]:
    """An Accelerator that names no precision takes that of the last one in its process."""
    yield
    make_accelerator("cpu", precision="float32")


class Watched(Net):
    """dtypes: of what its second convolution gives in training."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(8, norm=True)
        self.dtypes: set[torch.dtype] = set()
        self.second.register_forward_hook(self._note)

    def _note(self, module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
        if module.training and torch.is_grad_enabled():
            self.dtypes.add(output.dtype)


def test_a_training_computes_in_half_precision_learns_and_keeps_whole_weights(task: Task) -> None:
    student = Watched()
    outcome = fit(student, task, epochs=12, precision=HALF)
    assert student.dtypes == {torch.bfloat16}
    assert {value.dtype for value in student.parameters()} == {torch.float32}
    assert {value.dtype for value in outcome.module.parameters()} == {torch.float32}
    assert outcome.epochs[-1].train_loss < 0.7 * outcome.epochs[0].train_loss
    assert outcome.epochs[-1].validation_accuracy > 0.8
    whole = Watched()
    fit(whole, task, epochs=1)
    assert whole.dtypes == {torch.float32}


@pytest.mark.parametrize("loss", ["labels", HINTED], ids=["labels", "hint"])
def test_a_resumed_training_equals_the_unbroken_one(task: Task, tmp_path: Path, loss: Any) -> None:
    settings: dict[str, Any] = {"loss": loss, "precision": HALF}
    if loss is HINTED:
        settings["teacher"] = net(8, seed=1)
    unbroken = fit(net(norm=True), task, **settings)
    for stop in (4, 5):
        with pytest.raises(Interrupted):
            fit(net(norm=True), task, checkpoints=tmp_path, stop_after=stop, **settings)
    resumed = fit(net(norm=True), task, checkpoints=tmp_path, **settings)
    assert resumed.resumed_from_steps == (4, 9)
    assert bits(resumed.module) == bits(unbroken.module)
    assert [e.train_loss for e in resumed.epochs] == [e.train_loss for e in unbroken.epochs]
    whole = fit(net(norm=True), task, **{**settings, "precision": "float32"})
    assert bits(whole.module) != bits(unbroken.module)


def test_an_adapter_computes_in_half_precision_and_learns_from_a_whole_loss(task: Task) -> None:
    teacher = net(8, seed=1)
    long = fit(net(4), task, loss=HINT, teacher=teacher, epochs=12, precision=HALF)
    assert long.epochs[-1].train_loss < 0.6 * long.epochs[0].train_loss

    taps = [Tap(student="tokens", teacher="tokens", adapted=True)]
    asked = OnlineTeacher(network=teacher, taps=taps)
    images = (torch.from_numpy(task.prepare(task.train.inputs[:8])),)
    learner = make_learner(net(4), asked, taps=taps, example=images, seed=0)
    accelerator = make_accelerator("cpu", precision=HALF)
    with accelerator.autocast():
        _, features, _ = learner(*images)
    ((own, theirs),) = learner.pairs(features, asked(images).features).values()
    assert (own.dtype, theirs.dtype) == (torch.bfloat16, torch.float32)
    loss = hint(own, theirs)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, (own.float() - theirs).square().mean())
    loss.backward()
    (adapter,) = _adapters(learner)
    assert adapter.grad is not None
    assert adapter.grad.dtype == torch.float32
    assert float(adapter.grad.abs().max()) > 0
    learner.hooks.close()
    asked.close()


def _adapters(learner: Learner) -> list[torch.nn.Parameter]:
    return list(learner.adapters.parameters())


def test_trainings_of_one_process_may_differ_in_precision(task: Task) -> None:
    def loss(precision: str) -> float:
        settings = {"epochs": 1, "precision": precision}
        return (
            distill(None, net(), data=task, loss="labels", settings=settings).epochs[0].train_loss
        )

    whole, half = loss("float32"), loss(HALF)
    assert half == pytest.approx(whole, rel=0.02)
    assert half != whole
    assert loss("float32") == whole
