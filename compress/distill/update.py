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

from compress.distill.agreement import Agreed, agree
from compress.distill.draws import seed_step
from compress.distill.evaluate import moved
from compress.distill.feed import Batch
from compress.distill.learner import Learner
from compress.distill.objective import NO_FEATURES, Objective
from compress.distill.reached import reaching_all
from compress.distill.shares import WHOLE, Shares
from compress.distill.step import Features
from compress.distill.teaching import OnlineTeacher
from compress.errors import TrainingDiverged

SMALLEST_SCALE = 2.0**-14  # of 2^16 at first: 30 steps skipped in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What an update needs and no update changes. model: `learner`, as accelerate prepared it."""

    learner: nn.Module
    model: nn.Module
    optimizer: Any  # accelerate's wrapper where a scaler can skip steps, else the optimiser itself
    objective: Objective
    accelerator: Any  # accelerate.Accelerator, which ships no types
    teacher: OnlineTeacher | None
    clip: float | None
    accumulate: int
    seed: int  # of what the network draws

    def __call__(self, batch: Batch, *, step: int, steps: int, stop: Callable[[], bool]) -> Agreed:
        """Raises TrainingDiverged, before the weights change, on a loss or gradient that is not
        finite."""
        accelerator = self.accelerator
        seed_step(self.seed, step, accelerator.process_index, device=accelerator.device)
        parts = list(_parts(batch, self.accumulate))
        total = 0.0
        beside: list[set[nn.Parameter]] = []  # what each part leaves out
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            with nullcontext() if last else accelerator.no_sync(self.model):
                loss = self._loss(part, progress=step / steps)
                value = float(loss.detach())
                if accelerator.num_processes == 1:  # others agree below, and then stop
                    _check("loss", value, step, steps)
                else:
                    loss, unused = reaching_all(loss, self.learner.parameters())
                    beside.append(set(unused))
                accelerator.backward(loss)
            total += value
        agreed = agree(accelerator, loss=total, stop=stop())
        _check("loss", agreed.loss, step, steps)
        for parameter in set.intersection(*beside) if beside else ():
            parameter.grad = None  # as in one process
        norm = self._clipped()
        if accelerator.scaler is None:  # one of float16 skips such a step itself, and goes on
            _check("norm of the gradient", float(norm), step, steps)
        scale = None if accelerator.scaler is None else accelerator.scaler.get_scale()
        self.optimizer.step()
        if scale is not None:
            self._check_scale(scale, step, steps)
        self.optimizer.zero_grad(set_to_none=True)
        return agreed

    def _check_scale(self, before: float, step: int, steps: int) -> None:
        """A skipped step halves the scale: where that has not helped for long, none ever will. By
        the scale, since a fused optimiser skips by itself and nobody else sees it."""
        scale = self.accelerator.scaler.get_scale()
        if scale < before and scale < SMALLEST_SCALE:
            raise TrainingDiverged(
                f"the gradient is not finite in float16 at step {step} of {steps}, however small "
                "the loss is scaled",
                where="distill",
                cure="lower `distill.learning_rate`, or write `precision: bfloat16`; the weights "
                "are those of the last step with a finite gradient",
            )

    def _clipped(self) -> Tensor:
        """A norm of the gradient that is finite where the gradient is; clipped where that is asked
        for, it is the norm before."""
        if self.clip is not None:
            norm: Tensor = self.accelerator.clip_grad_norm_(self.model.parameters(), self.clip)
            return norm
        held = (p.grad for group in self.optimizer.param_groups for p in group["params"])
        norms = torch._foreach_norm([gradient for gradient in held if gradient is not None])
        return torch.stack([norm.float() for norm in norms]).sum()

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
            answered, own, projected = answered
            features = Features(
                pairs=self.learner.pairs(own, {} if taught is None else taught.features),
                mask=None if batch.mask is None else batch.mask.to(device),
                projected=projected,
            )
        target = batch.target.to(device)
        if batch.by_frame:  # the real frames of all streams are the samples of the loss
            assert batch.mask is not None
            real = batch.mask.to(device).bool()
            answered, target = answered[real], target[real]
            scores = None if scores is None else scores[real]
            features = features.among(real)
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


def _check(what: str, value: float, step: int, steps: int) -> None:
    if not math.isfinite(value):
        raise TrainingDiverged(
            f"{what} is {value} at step {step} of {steps}",
            where="distill",
            cure="lower `distill.learning_rate` or set `distill.clip`; the last checkpoint "
            "before this step is kept",
        )
