"""Accumulation, schedules, early stopping, mixup, teaching by averages: each resumes exactly."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_training import bars_task, bits, fit, net

from benchmarks.quiet import exclusive_timing
from compress.distill.best import best_epoch, is_spent
from compress.distill.devices import check_device, make_accelerator
from compress.distill.draws import seed_step
from compress.distill.pausing import pause
from compress.distill.precision import choose_precision, median_steps, tried_on
from compress.distill.schedule import constant, cosine
from compress.errors import InputError, Interrupted, RuntimeMissing
from compress.tasks.data import Task
from compress.values import Epoch

KD = {"kind": "kd", "temperature": 2, "weight": 1.0}


@pytest.fixture(scope="module")
def task() -> Task:
    return bars_task()


def epoch(number: int, accuracy: float, loss: float = 1.0) -> Epoch:
    return Epoch(
        epoch=number,
        train_loss=1.0,
        validation_accuracy=accuracy,
        validation_loss=loss,
        learning_rate=0.1,
        seconds=1.0,
    )


OPTIONS: dict[str, dict[str, Any]] = {
    "accumulate": {"accumulate": 3},
    "cosine": {"schedule": "cosine"},
    "constant": {"schedule": "constant"},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.01},
    "patience": {"patience": 1, "epochs": 6},
    "mixup": {"mixup": 0.4, "loss": {"kind": "sum", "terms": [{"loss": "labels"}]}},
    "average teaches": {"teach_by_average": True, "loss": KD},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_resumed_training_equals_the_unbroken_one_under_every_option(
    task: Task, tmp_path: Path, name: str
) -> None:
    options = OPTIONS[name]
    unbroken = fit(net(norm=True), task, **options)
    for stop in (4, 5):
        with pytest.raises(Interrupted):
            fit(net(norm=True), task, checkpoints=tmp_path, stop_after=stop, **options)
    resumed = fit(net(norm=True), task, checkpoints=tmp_path, **options)
    assert resumed.resumed_from_steps == (4, 9)
    assert bits(resumed.module) == bits(unbroken.module)
    assert [e.train_loss for e in resumed.epochs] == [e.train_loss for e in unbroken.epochs]


def test_a_resumed_training_draws_the_dropout_of_the_unbroken_one(
    task: Task, tmp_path: Path
) -> None:
    unbroken = fit(net(dropout=0.5), task, optimizer="adamw", learning_rate=0.01)
    torch.manual_seed(99)  # whatever the caller drew before
    with pytest.raises(Interrupted):
        fit(net(dropout=0.5), task, optimizer="adamw", learning_rate=0.01, checkpoints=tmp_path,
            stop_after=4)  # fmt: skip
    torch.rand(7)
    resumed = fit(
        net(dropout=0.5), task, optimizer="adamw", learning_rate=0.01, checkpoints=tmp_path
    )
    assert resumed.resumed_from_steps == (4,)
    assert bits(resumed.module) == bits(unbroken.module)
    other = fit(net(dropout=0.5), task, optimizer="adamw", learning_rate=0.01, seed=1)
    assert bits(other.module) != bits(unbroken.module)


def test_each_process_draws_its_own_dropout() -> None:
    def drawn(step: int, process: int) -> list[float]:
        seed_step(3, step, process, device=torch.device("cpu"))
        return torch.rand(4).tolist()

    assert drawn(5, 0) == drawn(5, 0)
    assert drawn(5, 0) != drawn(5, 1)
    assert drawn(5, 0) != drawn(6, 0)


def test_a_batch_in_parts_gives_the_gradient_of_the_whole(task: Task) -> None:
    whole = fit(net(), task, loss="labels")
    parts = fit(net(), task, loss="labels", accumulate=5)  # 32 = 6 + 6 + 7 + 6 + 7
    for first, second in zip(whole.epochs, parts.epochs, strict=True):
        assert second.train_loss == pytest.approx(first.train_loss, rel=1e-4)


def test_early_stopping_keeps_the_weights_of_the_best_epoch(task: Task, tmp_path: Path) -> None:
    """A rate that ruins the weights later: what is kept is what an earlier epoch validated."""
    ended = fit(
        net(),
        task,
        epochs=30,
        patience=2,
        schedule="constant",
        learning_rate=0.5,
        warmup=0.3,
        average=0.0,
        clip=None,
        checkpoints=tmp_path,
    )
    best = best_epoch(ended.epochs)
    assert len(ended.epochs) == best + 3 < 30
    with torch.no_grad():
        scores = ended.module(torch.from_numpy(task.prepare(task.validation.inputs)))
    accuracy = (scores.argmax(1).numpy() == task.validation.labels).mean()
    assert accuracy == ended.epochs[best].validation_accuracy
    again = fit(
        net(), task, epochs=30, patience=2, schedule="constant", average=0.0, checkpoints=tmp_path
    )
    assert bits(again.module) == bits(ended.module)
    assert again.epochs == ended.epochs


def test_best_is_the_most_accurate_then_the_least_loss_then_the_first() -> None:
    assert best_epoch([epoch(0, 0.5), epoch(1, 0.7, 2.0), epoch(2, 0.7, 1.0)]) == 2
    assert best_epoch([epoch(0, 0.7), epoch(1, 0.7)]) == 0
    assert not is_spent([], 1)
    assert not is_spent([epoch(0, 0.7)], 1)
    assert is_spent([epoch(0, 0.7), epoch(1, 0.6)], 1)
    assert not is_spent([epoch(0, 0.7), epoch(1, 0.6)], None)


def test_cosine_and_constant_rise_straight_to_the_peak() -> None:
    rates = [cosine(step, steps=10, peak=1.0, warmup=0.2) for step in range(10)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[6] == pytest.approx(0.5)  # half-way from step 2 to step 10
    assert rates[9] == pytest.approx((1 + np.cos(np.pi * 7 / 8)) / 2)
    assert [constant(step, steps=10, peak=2.0, warmup=0.2) for step in (0, 1, 9)] == [1, 2, 2]


def test_mixed_images_are_what_the_teacher_in_the_loop_sees(task: Task) -> None:
    seen: list[torch.Tensor] = []

    class Spy(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return images.mean((2, 3)).repeat(1, 3)

    class Student(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(64, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if self.training:
                seen.append(images)
            scores: torch.Tensor = self.head(images.flatten(1))
            return scores

    fit(Student(), task, loss=KD, teacher=Spy(), mixup=1.0, epochs=1, average=0.0)
    assert len(seen) == 12
    assert all(torch.equal(seen[i], seen[i + 1]) for i in range(0, 12, 2))


def test_averaged_weights_teach_the_student_that_they_come_from(task: Task) -> None:
    loss = {
        "kind": "sum",
        "terms": [{"loss": "labels"}, {"loss": KD, "warmup": 0.5}],
    }
    outcome = fit(net(8, norm=True), task, loss=loss, teach_by_average=True, epochs=12)
    assert outcome.epochs[-1].validation_accuracy > 0.6
    alone = fit(net(8, norm=True), task, loss=KD, teach_by_average=True, average=0.9, epochs=1)
    assert alone.epochs[0].train_loss < 0.05  # it begins as its own teacher


def test_a_stop_is_heard_while_something_is_timed(tmp_path: Path) -> None:
    """Within a second, though the host's stopwatch is held much longer."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive_timing():
            held.set()
            done.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    began = time.monotonic()
    try:
        pause(lambda: time.monotonic() - began > 0.2)
        assert time.monotonic() - began < 10
    finally:
        done.set()
        holder.join()
    pause(lambda: False)


def test_cuda_that_is_not_there_is_one_line_with_exit_code_four() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(RuntimeMissing, match="CUDA") as caught:
        check_device("cuda")
    assert caught.value.exit_code == 4
    assert "device: cpu" in str(caught.value)
    check_device("cpu")
    with pytest.raises(RuntimeMissing, match="float16 trains on CUDA alone"):
        make_accelerator("cpu", precision="float16")


def test_a_precision_that_is_hopeless_when_warm_takes_two_steps_and_no_more() -> None:
    taken: list[str] = []

    def step_s(name: str) -> float:
        taken.append(name)
        slow = {"float32": 0.1, "bfloat16": 0.9, "float16": 0.2}[name]
        return slow + 5.0 * (len(taken) <= 3)  # the first step of each makes its kernels

    found = median_steps(("float32", "bfloat16", "float16"), step_s)
    assert found == {"float32": 0.1, "bfloat16": 0.9, "float16": 0.2}
    assert [taken.count(name) for name in found] == [10, 2, 10]


def test_float16_is_tried_on_cuda_alone_and_the_decision_says_so() -> None:
    assert tried_on("cpu") == ("float32", "bfloat16")
    assert tried_on("cuda") == ("float32", "bfloat16", "float16")
    decision = choose_precision({"float32": 1.0, "bfloat16": 0.5})
    assert decision.chosen == "bfloat16"
    assert decision.evidence["float16"] == "not tried: it trains on CUDA alone"
    three = {"float32": 1.0, "bfloat16": 0.5, "float16": 0.4}
    assert choose_precision(three).chosen == "float16"
    assert choose_precision({**three, "float16": 0.49}).chosen == "bfloat16"
    assert choose_precision({**three, "bfloat16": 0.97, "float16": 0.5}).chosen == "float16"


def test_a_class_index_loss_is_refused_with_mixup(task: Task) -> None:
    with pytest.raises(InputError, match="class"):
        fit(net(), task, loss="dkd", mixup=1.0)
