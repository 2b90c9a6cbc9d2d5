"""A teacher is refused before the first step, with the likely cause."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import toy
from torch import Tensor, nn
from toy_task import Linear, linear_onnx, toy_task

from compress.errors import InputError
from compress.recipe.loss_nodes import HardLoss
from compress.recipe.nodes import KdLoss, LossNode, OnnxTeacher
from compress.teachers.build import build_teacher
from compress.teachers.check import check_class_names, check_teacher, check_use
from compress.teachers.functions import function_teacher, takes_a_batch
from compress.teachers.modules import module_teacher
from compress.teachers.scores import FLOOR, LogitsOf, logits_of
from compress.teachers.teacher import Teacher
from exporters.errors import RefusedModel

KD: LossNode = KdLoss(kind="kd")


def of(module: nn.Module, **options: bool) -> Teacher:
    return module_teacher(module, name="t", digest="0" * 64, **options)


class Trains(Linear):
    """Puts itself back in training mode, as code copied from a training loop does."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        self.train()
        return self.drop(super().forward(images))


class Functional(Linear):
    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(images), 0.5, training=True)


class Mates(Linear):
    def forward(self, images: Tensor) -> Tensor:
        scores = super().forward(images)
        return scores - scores.mean(dim=0, keepdim=True)


class Counts(Linear):
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return super().forward(images)


class WithGradients(Linear):
    def forward(self, images: Tensor) -> Tensor:
        with torch.enable_grad():
            self.head.requires_grad_(requires_grad=True)
            return super().forward(images)


class Softmax(Linear):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).softmax(dim=1)


class Centred(Linear):
    """Made for images in -1 .. 1: right only when inputs are far below 0.5 and above it."""

    def forward(self, images: Tensor) -> Tensor:
        inside = images.flatten(1)
        dark = (inside < 0).float().mean(dim=1, keepdim=True) > 0.2
        return torch.where(dark, self.head(inside), torch.tensor([9.0, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Trains(), "forward puts Trains in training mode"),
        (Functional(), "answers the same samples differently each time"),
        (Mates(), "depends on the others in its batch"),
        (Counts(), "buffers change while it answers"),
    ],
    ids=["train() in forward", "functional dropout", "batch statistics", "running statistics"],
)
def test_what_is_not_in_eval_mode_for_ever_is_refused(module: nn.Module, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_teacher(of(module), toy_task())


def test_a_forward_that_turns_gradients_on_gives_none() -> None:
    teacher = of(WithGradients())
    images = torch.rand(4, 1, 8, 8)
    scores = teacher.answer(images)
    np.testing.assert_array_equal(scores, Linear()(images).detach().numpy())
    assert teacher.module is not None
    assert all(weight.grad is None for weight in teacher.module.parameters())


def test_another_order_of_classes_is_named() -> None:
    with pytest.raises(InputError) as caught:
        check_teacher(of(Linear(order=(1, 2, 0))), toy_task())
    assert "its class 0 is mostly 'right', which is class 1 of the task" in str(caught.value)
    assert caught.value.cure == "put its classes in the order of the task"


def test_probabilities_for_logits_are_softmax_taken_twice() -> None:
    with pytest.raises(InputError, match="softmax would be taken twice"):
        check_teacher(of(Softmax()), toy_task())
    assert check_teacher(of(Softmax(), probabilities=True), toy_task()) > 0.9


def test_inverted_inputs_are_found_out() -> None:
    class Inverted(Linear):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(1.0 - images)

    with pytest.raises(InputError, match="with inverted inputs it is right far more often"):
        check_teacher(of(Inverted()), toy_task())


def test_another_scaling_is_found_out() -> None:
    with pytest.raises(InputError, match=r"with inputs in -1 .. 1 it is right far more often"):
        check_teacher(of(Centred()), toy_task())


def test_a_teacher_that_knows_nothing_has_no_cause() -> None:
    with pytest.raises(InputError, match="no better than naming the largest class"):
        check_teacher(of(Linear(scale=0.0)), toy_task())


def test_another_count_of_classes_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(3,\) per sample, the task has 4 classes"):
        check_teacher(of(Linear()), toy_task(classes=(*toy.CLASSES, "none")))


def test_names_are_compared_in_their_order() -> None:
    check_class_names(("Left", "right", "low"), toy.CLASSES)
    with pytest.raises(InputError, match="class 0 is 'right', the task's is 'left'") as caught:
        check_class_names(("right", "left", "low"), toy.CLASSES)
    assert "in the task's order" in caught.value.cure
    with pytest.raises(InputError) as caught:
        check_class_names(("left", "right", "high"), toy.CLASSES)
    assert "use a teacher of the same classes" in caught.value.cure
    with pytest.raises(InputError, match="has 2 classes, the task 3"):
        check_class_names(("left", "right"), toy.CLASSES)


def test_what_an_earlier_run_was_made_for_must_fit() -> None:
    teacher = of(Linear())
    with pytest.raises(InputError, match=r"made for samples of shape \(3, 8, 8\)"):
        check_teacher(replace(teacher, input_shape=(3, 8, 8)), toy_task())
    with pytest.raises(InputError, match=r"made for inputs times 1, the task scales by 0.00392157"):
        check_teacher(replace(teacher, scale=1.0), toy_task())


def stored(gives: str) -> Teacher:
    def by_id(ids: np.ndarray) -> np.ndarray:
        return np.zeros((len(ids), 3), dtype=np.float32)

    return replace(of(Linear()), by_id=by_id, gives=gives)


def test_stored_outputs_belong_to_samples_as_they_are() -> None:
    check_use(stored("logits"), toy_task(), KD, mixed=False)
    with pytest.raises(InputError, match=r"task\.augment changes what the student sees"):
        check_use(stored("top-k"), toy_task(pad=1), KD, mixed=False)
    with pytest.raises(InputError, match="mixup changes what the student sees"):
        check_use(stored("logits"), toy_task(), KD, mixed=True)


def test_hard_labels_alone_need_a_loss_on_decisions() -> None:
    hard = HardLoss(kind="hard")
    check_use(stored("labels"), toy_task(pad=1), hard, mixed=False)
    with pytest.raises(InputError, match="`kd` needs scores"):
        check_use(stored("labels"), toy_task(), KD, mixed=False)
    with pytest.raises(InputError, match="say nothing of a mixture of two"):
        check_use(stored("labels"), toy_task(), hard, mixed=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 4}, "takes batches of 4 alone"),
        ({"shape": (3, 8, 8)}, "takes samples of shape 3 x 8 x 8, the task's have 1 x 8 x 8"),
        ({"outputs": 2}, r"several outputs: 'features' \(float32\), 'scores' \(float32\)"),
    ],
)
def test_an_onnx_file_that_does_not_fit_says_why(
    tmp_path: Path, options: dict[str, object], words: str
) -> None:
    linear_onnx(tmp_path / "t.onnx", **options)
    node = OnnxTeacher(kind="onnx", path="t.onnx")
    with pytest.raises(InputError, match=words):
        check_teacher(build_teacher(node, folder=tmp_path, threads=1), toy_task())


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"outputs": 2}, {"output": "scores"}),
        ({"dtype": 11}, {}),
        ({"softmax": True}, {"outputs": "probabilities"}),
        ({"shape": (64,)}, {}),
        ({"shape": ("h", "w", "c")}, {"layout": "nhwc"}),
    ],
    ids=["named output", "float64", "probabilities", "flat", "layout"],
)
def test_an_onnx_file_is_fitted(
    tmp_path: Path, options: dict[str, object], keys: dict[str, str]
) -> None:
    linear_onnx(tmp_path / "t.onnx", **options)
    node = OnnxTeacher.model_validate({"kind": "onnx", "path": "t.onnx", **keys})
    assert check_teacher(build_teacher(node, folder=tmp_path, threads=1), toy_task()) > 0.9


def test_maps_of_scikit_learn_name_the_option_that_helps() -> None:
    node = OnnxTeacher(kind="onnx", path="sklearn_maps.onnx")
    folder = Path(__file__).parent / "made"
    with pytest.raises((InputError, RefusedModel), match="zipmap"):
        check_teacher(build_teacher(node, folder=folder, threads=1), toy_task())


def test_a_function_is_told_from_a_factory_by_its_arguments() -> None:
    assert takes_a_batch(lambda images: images)
    assert not takes_a_batch(lambda: 1)
    assert not takes_a_batch(lambda width=3: width)


def test_a_function_that_returns_classes_is_refused() -> None:
    teacher = function_teacher(
        lambda images: np.zeros(len(images), dtype=np.int64),
        name="m.py:f",
        digest="0" * 64,
        probabilities=False,
    )
    with pytest.raises(InputError, match="returns int64"):
        teacher.answer(torch.zeros(2, 1, 8, 8))


def test_probabilities_come_back_from_their_logits() -> None:
    shares = np.array([[0.7, 0.3, 0.0], [0.2, 0.3, 0.5]], dtype=np.float32)
    logits = logits_of(shares)
    back = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(back, shares, atol=2e-7)
    assert logits[0, 2] == pytest.approx(np.log(FLOOR))
    module = LogitsOf(nn.Identity())
    np.testing.assert_allclose(module(torch.from_numpy(shares)).numpy(), logits, rtol=1e-6)
    with pytest.raises(InputError, match=r"rows sum to 2"):
        logits_of(shares * 2)
