"""One update of the weights: forward in parts, loss, agreement of all processes, backward, step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from compress.distill.evaluate import moved
from compress.distill.feed import Batch
from compress.distill.learner import Learner
from compress.distill.objective import NO_FEATURES, Objective
from compress.distill.shares import WHOLE, Shares
from compress.distill.step import Features
from compress.distill.teaching import OnlineTeacher
from compress.errors import TrainingDiverged


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """loss: mean over all processes; stop: whether any of them was asked to stop."""

    loss: float
    stop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What an update needs and no update changes. model: `learner`, as accelerate prepared it."""

    learner: nn.Module
    model: nn.Module
    optimizer: Any  # accelerate's wrapper
    objective: Objective
    accelerator: Any  # accelerate.Accelerator, which ships no types
    teacher: OnlineTeacher | None
    clip: float | None
    accumulate: int

    def __call__(self, batch: Batch, *, step: int, steps: int, stop: Callable[[], bool]) -> Updated:
        """Raises TrainingDiverged, before the weights change, on a loss that is not finite."""
        parts = list(_parts(batch, self.accumulate))
        total = 0.0
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                loss = self._loss(part, progress=step / steps)
                value = float(loss.detach())
                if self.accelerator.num_processes == 1:  # others agree below, and then stop
                    _check(value, step, steps)
                self.accelerator.backward(loss)
            total += value
        agreed = self._agree(total, stop())
        _check(agreed.loss, step, steps)
        if self.clip is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return agreed

    def _loss(self, batch: Batch, *, progress: float) -> Tensor:
        device = self.accelerator.device
        inputs = moved(batch.inputs, device)
        scores = None if batch.teacher is None else batch.teacher.to(device)
        features = NO_FEATURES
        taught = None
        if self.teacher is not None:
            taught = self.teacher(inputs)
            scores = taught.scores
        with self.accelerator.autocast():
            answered = self.model(*inputs)
        if isinstance(self.learner, Learner):
            assert taught is not None
            answered, own = answered
            features = Features(
                pairs=self.learner.pairs(own, taught.features),
                mask=None if batch.mask is None else batch.mask.to(device),
            )
        target = batch.target.to(device)
        if batch.by_frame:  # the real frames of all streams are the samples of the loss
            assert batch.mask is not None
            real = batch.mask.to(device).bool()
            answered, target = answered[real], target[real]
            scores = None if scores is None else scores[real]
        return self.objective(
            answered,
            target,
            scores,
            progress=progress,
            features=features,
            shares=self._shares(batch),
        )

    def _shares(self, part: Batch) -> Shares:
        """Of a part of the batch of all processes: so the parts make the loss of the whole."""
        if part.whole is None:
            return WHOLE
        return part.counts().shares_of(part.whole, processes=self.accelerator.num_processes)

    def _agree(self, loss: float, stop: bool) -> Updated:
        """All processes record the same loss and stop at the same step, whoever got the signal."""
        if self.accelerator.num_processes == 1:
            return Updated(loss=loss, stop=stop)
        said = torch.tensor([loss, float(stop)], dtype=torch.float32).to(self.accelerator.device)
        mean, stops = self.accelerator.reduce(said, reduction="mean").tolist()
        return Updated(loss=mean, stop=stops > 0)


def _parts(batch: Batch, count: int) -> Iterator[Batch]:
    """The batch in `count` parts, fewer where it has fewer samples."""
    if count == 1:
        yield batch
        return
    size = len(batch.target)
    ends = [size * index // count for index in range(count + 1)]
    for start, end in pairwise(ends):
        if start < end:
            yield batch.part(slice(start, end))


def _check(value: float, step: int, steps: int) -> None:
    if not math.isfinite(value):
        raise TrainingDiverged(
            f"loss is {value} at step {step} of {steps}",
            where="distill",
            cure="lower `distill.learning_rate` or set `distill.clip`; the last checkpoint "
            "before this step is kept",
        )
