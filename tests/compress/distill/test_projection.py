"""`project: learned`: a layer to the teacher's width that is trained beside the student."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_embedding import embedding_task
from torch import nn

from compress import distill
from compress.distill.axes import teacher_width
from compress.distill.teaching import OnlineTeacher
from compress.errors import InputError
from compress.tasks import StreamData
from compress.tasks.streams import Streams

SETTINGS = {
    "optimizer": "adamw",
    "learning_rate": 0.03,
    "weight_decay": 0.0,
    "epochs": 30,
    "batch": 50,
    "average": 0.0,
    "precision": "float32",
}


def network(width: int, *, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(6, width, bias=False)


def loss(project: str) -> dict[str, str]:
    return {"kind": "embedding", "form": "mse", "project": project}


def test_a_narrow_student_comes_to_the_best_of_its_rank() -> None:
    teacher, student = network(5, seed=0), network(2, seed=1)
    trained = distill(
        teacher, student, data=embedding_task(), loss=loss("learned"), settings=SETTINGS
    )
    with torch.no_grad():
        answers = teacher(torch.from_numpy(embedding_task().train.inputs))
    singular = torch.linalg.svdvals(answers)
    best = float(singular[2:].square().sum()) / answers.numel()
    assert best < trained.epochs[-1].train_loss < 1.1 * best
    assert trained.module.state_dict().keys() == student.state_dict().keys()
    assert trained.module(torch.zeros(1, 6)).shape == (1, 2)


def test_a_student_that_is_wider_than_its_teacher_learns_all_of_it() -> None:
    teacher, student = network(3, seed=0), network(8, seed=1)
    trained = distill(
        teacher, student, data=embedding_task(), loss=loss("learned"), settings=SETTINGS
    )
    first, last = trained.epochs[0].train_loss, trained.epochs[-1].train_loss
    assert last < 0.01 * first


def test_equal_widths_need_no_layer() -> None:
    teacher, student = network(4, seed=0), network(4, seed=1)
    few = {**SETTINGS, "epochs": 2}
    plain, learned = (
        distill(
            teacher, student, data=embedding_task(), loss=loss(project), settings=few
        ).module.state_dict()
        for project in ("none", "learned")
    )
    assert torch.equal(plain["weight"], learned["weight"])


def test_the_teachers_width_is_that_of_stored_outputs_or_of_an_answer() -> None:
    teacher = OnlineTeacher(network=network(5, seed=0))
    assert teacher_width(embedding_task(), teacher=teacher) == 5
    assert teacher_width(embedding_task(), outputs=[np.zeros((300, 7), dtype=np.float32)]) == 7
    assert teacher_width(embedding_task()) is None


def test_similarities_and_layers_have_no_use_for_it() -> None:
    wrong = {"kind": "embedding", "form": "similarity-mse", "project": "learned"}
    with pytest.raises(Exception, match="`project: learned` is for outputs"):
        distill(network(5, seed=0), network(2, seed=1), data=embedding_task(), loss=wrong)


def test_a_teacher_that_gives_all_samples_one_direction_is_refused() -> None:
    teacher = nn.Linear(6, 5)
    with torch.no_grad():
        teacher.weight.zero_()
        teacher.bias.fill_(1.0)
    with pytest.raises(InputError, match="gives all samples nearly the same embedding"):
        distill(teacher, network(5, seed=1), data=embedding_task(), loss=loss("none"))


class PerFrame(nn.Module):
    """(batch, frames, 3) and a mask to (batch, frames, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 3)

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(features)
        return scores


def test_frames_that_are_padding_are_projected_out_of_the_loss_too() -> None:
    random = np.random.default_rng(0)

    def part(count: int) -> Streams:
        rows = [random.normal(size=(n, 3)).astype(np.float32) for n in random.integers(2, 9, count)]
        return rows, [row.argmax(1) for row in rows]

    data = StreamData(train=part(40), validation=part(20), test=part(20), classes=("a", "b", "c"))
    settings = {"epochs": 2, "batch": 8, "average": 0.0, "precision": "float32"}
    torch.manual_seed(0)
    teacher, student = PerFrame(), PerFrame()
    plain, learned = (
        distill(teacher, student, data=data, loss=loss(project), settings=settings)
        for project in ("none", "learned")
    )
    # Of equal widths the layer does nothing, so that all else must be the same.
    assert torch.equal(plain.module.head.weight, learned.module.head.weight)
    assert plain.epochs[-1].train_loss == learned.epochs[-1].train_loss
