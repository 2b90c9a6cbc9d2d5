"""Checkpoints are written when the interval of the recipe has passed, and not before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_training import SETTINGS, bars_task, net

import compress.distill.trainer
from compress.distill.devices import make_accelerator
from compress.distill.feed import Batch, TrainingFeed
from compress.distill.objective import build_objective
from compress.errors import Interrupted
from compress.recipe.loss_nodes import LabelsLoss

STEP_S = 10.0


@dataclass(slots=True)
class Clock:
    now_s: float = 0.0

    def monotonic(self) -> float:
        return self.now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedFeed(TrainingFeed):
    """Each of its batches takes ten seconds of the clock. seen: the steps of all checkpoints that
    were there when a batch was taken."""

    clock: Clock
    folder: Path
    seen: set[int] = field(default_factory=set)

    def batches(self, epoch: int, *, first_step: int = 0) -> Iterator[Batch]:
        for batch in TrainingFeed.batches(self, epoch, first_step=first_step):
            self.seen.update(steps_of(self.folder))
            self.clock.now_s += STEP_S
            yield batch


def steps_of(folder: Path) -> set[int]:
    return {int(path.stem.split("-")[1]) for path in folder.glob("step-*.ckpt")}


def timed_feed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> TimedFeed:
    clock = Clock(now_s=1e6)  # a monotonic clock begins anywhere
    monkeypatch.setattr(
        compress.distill.trainer, "time", SimpleNamespace(monotonic=clock.monotonic)
    )
    return TimedFeed(task=bars_task(), batch=32, seed=0, clock=clock, folder=folder)


def train_with(
    feed: TimedFeed, *, every_s: float, stop_requested: Callable[[], bool] = lambda: False
) -> None:
    compress.distill.trainer.train(
        net(),
        feed=feed,
        objective=build_objective(LabelsLoss(kind="labels")),
        settings=replace(SETTINGS, checkpoint_every_s=every_s),
        accelerator=make_accelerator("cpu", precision="float32"),
        checkpoints=feed.folder,
        stop_requested=stop_requested,
    )


@pytest.mark.parametrize(
    ("every_s", "steps"),
    [
        (0.0, set(range(1, 18))),
        (45.0, {5, 10, 15}),  # counted from the start, then from the checkpoint before
        (50.0, {5, 10, 15}),
        (51.0, {6, 12}),
        (1000.0, set()),
    ],
)
def test_a_checkpoint_is_written_when_its_interval_has_passed_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_s: float, steps: set[int]
) -> None:
    feed = timed_feed(tmp_path, monkeypatch)
    train_with(feed, every_s=every_s)
    assert feed.seen == steps
    assert max(steps_of(tmp_path)) == 18  # the end is kept at once


def test_a_stop_while_a_checkpoint_is_written_writes_no_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = timed_feed(tmp_path, monkeypatch)
    with pytest.raises(Interrupted, match="stopped at step 5 of 18"):
        train_with(feed, every_s=50.0, stop_requested=lambda: bool(steps_of(tmp_path)))
    assert steps_of(tmp_path) == {5}
