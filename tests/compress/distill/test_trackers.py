"""Curves of a training in TensorBoard, read back by its own reader."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from compress.distill.trackers import tracking
from compress.errors import InputError
from compress.recipe.nodes import Trackers
from exporters.events import Event

EPOCH = {
    "epoch": 0,
    "train_loss": 0.5,
    "validation_accuracy": 0.75,
    "validation_loss": 0.25,
    "learning_rate": 0.125,
    "seconds": 1.0,
}


def test_tensorboard_holds_the_curves(tmp_path: Path) -> None:
    with tracking(Trackers(tensorboard="curves"), folder=tmp_path, run="first") as tell:
        tell(Event(kind="step", stage="train", message="", data={"at": 20, "loss": 2.0}))
        tell(Event(kind="epoch", stage="train", message="", data=EPOCH))
        tell(Event(kind="note", stage="train", message="nothing to draw"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(tmp_path / "curves" / "first")).Reload()
    assert [(e.step, e.value) for e in read.Scalars("step_loss")] == [(20, 2.0)]
    assert [(e.step, e.value) for e in read.Scalars("validation_accuracy")] == [(1, 0.75)]


def test_a_package_that_is_missing_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with (
        pytest.raises(InputError, match=r"pip install 'distil\[tensorboard\]'"),
        tracking(Trackers(tensorboard="curves"), folder=tmp_path, run="first"),
    ):
        pass
    assert not list(tmp_path.iterdir())
