"""`from compress import distill`: modules in memory, trained in the calling process."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_training import bars, bits, net
from torch import nn

from compress import distill
from compress.distill.api import Trained, _check_whole
from compress.errors import InputError
from compress.recipe.nodes import Distill
from compress.tasks.data import ArrayData
from exporters.events import Event

NOTEBOOK = """
import sys
from compress import distill
assert "torch" not in sys.modules
import compress.distill.schedule
import numpy as np, torch
from compress.tasks import ArrayData

random = np.random.default_rng(0)
labels = random.integers(0, 2, 80)
inputs = random.normal(size=(80, 4)).astype(np.float32) + 3 * labels[:, None].astype(np.float32)
data = ArrayData(train=(inputs[:60], labels[:60]), test=(inputs[60:], labels[60:]),
                 classes=("low", "high"))
torch.manual_seed(0)
teacher = torch.nn.Linear(4, 2)
first = distill(None, teacher, data=data, loss="labels",
                settings={"epochs": 5, "batch": 10, "average": 0.5})
trained = distill(first.module, torch.nn.Linear(4, 2), data=data,
                  loss={"kind": "kd", "weight": 1, "temperature": 2},
                  settings={"epochs": 5, "batch": 10, "average": 0.5})
print(len(trained.epochs), trained.epochs[-1].validation_accuracy >= 0.8)
"""


class Columns(nn.Module):
    """Right on every sample: the brightest of six columns, by its place modulo three."""

    def __init__(self, sharp: float = 10.0, order: tuple[int, ...] = (0, 1, 2)) -> None:
        super().__init__()
        self.sharp = nn.Parameter(torch.tensor(sharp))
        self.order = order

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        columns = images.mean((1, 2))[:, 1:7].unflatten(1, (2, 3)).amax(1)
        return self.sharp * columns[:, list(self.order)]


class Mates(Columns):
    """Scores less their mean over the batch."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = super().forward(images)
        return scores - scores.mean(0)


def data(*, first_seed: int = 1) -> ArrayData:
    train, test, validation = bars(96, 0, first_seed), bars(30, 0, 2), bars(30, 0, 3)
    return ArrayData(
        train=(train.inputs, train.labels),
        test=(test.inputs, test.labels),
        validation=(validation.inputs, validation.labels),
        classes=("a", "b", "c"),
    )


def test_a_script_distils_modules_in_memory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stdout == "5 True\n", done.stderr


def test_the_arguments_stay_as_they_are_and_the_result_is_a_trained_copy() -> None:
    teacher, student = net(8, seed=1, norm=True), net(4, norm=True)
    before = bits(teacher), bits(student)
    modes = teacher.training, student.training
    loss = {"kind": "hint", "layers": [{"student": "second", "teacher": "second"}], "weight": 1}
    trained = distill(teacher, student, data=data(), loss=loss, settings={"epochs": 2, "batch": 32})
    assert (bits(teacher), bits(student)) == before
    assert (teacher.training, student.training) == modes
    assert all(p.requires_grad for p in teacher.parameters())
    assert bits(trained.module) != before[1]
    assert trained.module.state_dict().keys() == student.state_dict().keys()
    assert not trained.module.training
    assert trained.module(torch.zeros(1, 1, 8, 8)).shape == (1, 3)


def test_settings_that_do_not_fit_are_one_line() -> None:
    with pytest.raises(InputError, match="needs a teacher"):
        distill(None, net(), data=data(), loss="kd")
    with pytest.raises(InputError, match="epoks"):
        distill(None, net(), data=data(), loss="labels", settings={"epoks": 1})
    with pytest.raises(InputError, match="no meaning in memory"):
        distill(None, net(), data=data(), loss="labels", settings={"views": 1})
    with pytest.raises(InputError, match="there are none"):
        distill(None, net(), data=data(), settings={"average": 0, "teach_by": "average"})
    with pytest.raises(InputError, match="dist compares the samples"):
        distill(net(), net(), data=data(), loss="dist", settings={"accumulate": 2})
    alone = Distill.model_validate({"loss": "rkd"})
    _check_whole(alone, processes=1)
    with pytest.raises(InputError, match="each of 2 processes lacks those of the others"):
        _check_whole(alone, processes=2)


def test_checkpoints_of_another_call_are_refused_and_those_of_the_same_go_on(
    tmp_path: Path,
) -> None:
    teacher, student = Columns(), net(4)
    small = {"epochs": 1, "batch": 32}

    def call(where: Path = tmp_path, **changes: Any) -> Trained:
        asked = {"data": data(), "loss": "kd", "settings": small, **changes}
        return distill(asked.pop("teacher", teacher), student, checkpoints=where, **asked)

    first = call()
    again = call(settings={**small, "checkpoint_every": "1s"})
    assert again.resumed_from_steps == (3,)
    assert bits(again.module) == bits(first.module)
    others: dict[str, dict[str, Any]] = {
        "loss": {"loss": "dkd"},
        "settings": {"settings": {**small, "learning_rate": 0.3}},
        "seed": {"seed": 1},
        "augment": {"augment": {"flip": True}},
        "teacher": {"teacher": Columns(sharp=20.0)},
        "data": {"data": data(first_seed=9)},
    }
    for name, changes in others.items():
        with pytest.raises(InputError, match=f"of another training: .*{name}.* not what"):
            call(**changes)
    fresh = call(tmp_path / "other", loss="dkd")
    assert not fresh.resumed_from_steps
    assert bits(fresh.module) != bits(first.module)


def test_checkpoints_that_tell_nothing_of_their_training_are_refused(tmp_path: Path) -> None:
    settings = {"epochs": 1, "batch": 32}
    distill(None, net(), data=data(), loss="labels", settings=settings, checkpoints=tmp_path)
    (tmp_path / "training.json").unlink()
    with pytest.raises(InputError, match="name another folder"):
        distill(None, net(), data=data(), loss="labels", settings=settings, checkpoints=tmp_path)


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        (Columns(order=(1, 2, 0)), "its class 0 is mostly 'b', which is class 1 of the task"),
        (Columns(sharp=0.0), "no better than naming the largest class"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), r"shape \(4,\) per sample.* 3 classes"),
        (nn.Sequential(Columns(), nn.Softmax(1)), "softmax would be taken twice"),
        (Mates(), "depends on the others in its batch"),
    ],
    ids=["another order", "a constant", "another count", "probabilities", "batch statistics"],
)
def test_a_teacher_that_can_not_teach_is_refused_before_the_first_step(
    teacher: nn.Module, said: str, tmp_path: Path
) -> None:
    told: list[Event] = []
    with pytest.raises(InputError, match=said):
        distill(teacher, net(), data=data(), checkpoints=tmp_path / "c", on_event=told.append)
    assert not told
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        ("labels", {}),
        ("kd", {"teach_by": "average"}),
        ({"kind": "hint", "layers": [{"student": "second", "teacher": "second"}]}, {}),
        ("pkt", {}),
    ],
)
def test_a_teacher_whose_scores_teach_nothing_is_not_asked_to_be_right(
    loss: Any, settings: dict[str, Any]
) -> None:
    teacher = net(4)
    with torch.no_grad():
        teacher.head.weight.zero_()
        teacher.head.bias.copy_(torch.tensor([0.0, 0.0, float("nan")]))
    with pytest.raises(InputError, match="not finite"):
        distill(teacher, net(), data=data(), loss="kd")
    few = {"epochs": 1, "batch": 32, **settings}
    if loss == "pkt":
        teacher = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    assert len(distill(teacher, net(), data=data(), loss=loss, settings=few).epochs) == 1


def test_a_teacher_is_not_judged_by_fewer_than_thirty_labels() -> None:
    few, enough = bars(29, 0, 3), bars(30, 0, 3)
    settings = {"epochs": 1, "batch": 32}
    for validation, refused in ((few, False), (enough, True)):
        given = replace(data(), validation=(validation.inputs, validation.labels))
        teacher = Columns(order=(1, 2, 0))
        with pytest.raises(InputError, match=r"0\.0 %") if refused else nullcontext():
            assert distill(teacher, net(), data=given, settings=settings).epochs


def test_a_teacher_is_asked_for_ten_thousand_validation_samples_at_most() -> None:
    """Of twice as many, every second one: that the others are wrong is not seen."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(20_000, 2)).astype(np.float32)
    labels = (rows[:, 0] > 0).astype(np.int64)
    seen = np.linspace(0, 19_999, 10_000).astype(np.int64)
    teacher = nn.Linear(2, 2)
    with torch.no_grad():
        teacher.weight.copy_(torch.tensor([[-5.0, 0.0], [5.0, 0.0]]))
        teacher.bias.zero_()

    def call(wrong: np.ndarray) -> Trained:
        given = labels.copy()
        given[wrong] = 1 - given[wrong]
        split = ArrayData(
            train=(rows[:64] + 9, labels[:64]),
            validation=(rows, given),
            test=(rows[:64] - 9, labels[:64]),
            classes=("no", "yes"),
        )
        return distill(teacher, nn.Linear(2, 2), data=split, settings={"epochs": 1, "batch": 32})

    assert call(np.setdiff1d(np.arange(20_000), seen)).epochs
    with pytest.raises(InputError, match=r"right on 0\.0 % of validation"):
        call(seen)
