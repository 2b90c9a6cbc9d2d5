"""`from compress import distill`: modules in memory, trained in the calling process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import bars, bits, net

from compress import distill
from compress.distill.api import Trained, _check_whole
from compress.errors import InputError
from compress.recipe.nodes import Distill
from compress.tasks.data import ArrayData

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
    teacher, student = net(8, seed=1, norm=True), net(4)
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
        "teacher": {"teacher": net(8, seed=2, norm=True)},
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
