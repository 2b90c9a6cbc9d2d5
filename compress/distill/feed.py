"""Training batches from memory: order, augmented view and teacher outputs are functions of
(seed, epoch, sample), so any step of any epoch can be made again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.distill.shares import Counts
from compress.tasks.batches import epoch_order, epoch_rows
from compress.tasks.data import Task
from compress.tasks.labelled import labelled_rows
from compress.tasks.mixup import mixed_labels, mixed_view
from compress.tasks.tokens import TOKEN_INPUTS
from compress.tasks.views import Inputs, view_inputs
from compress.teachers.stored import StoredOutputs

STATISTICS_VIEW = 9999  # the view on which BatchNorm statistics are re-estimated
STATISTICS_BATCH = 250
STATISTICS_BATCHES = 40
_STATISTICS_ORDER = 2**30  # numbers an order of rows apart from those of epochs
_MASK = TOKEN_INPUTS.index("attention_mask")
Rows = StoredOutputs | NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """inputs: (batch, ...) each; target: (batch,) int64, or (batch, classes) where it is mixed, or
    int64 (batch, frames) of streams.

    teacher: (batch, classes) stored logits, (batch, frames, classes) of streams, or None; mask:
    (batch, tokens) of text, (batch, frames) of streams, or None. whole: what the batch of all
    processes holds; None where this is it.
    """

    inputs: Inputs
    target: Tensor
    teacher: Tensor | None
    mask: Tensor | None = None
    whole: Counts | None = None

    @property
    def by_frame(self) -> bool:
        """Whether each frame of a sample has a target of its own."""
        return self.target.ndim == 2 and not self.target.is_floating_point()

    def counts(self) -> Counts:
        """What the terms of a loss are means over."""
        samples = len(self.target)
        tokens = samples if self.mask is None else int(self.mask.sum())
        return Counts(
            answers=tokens if self.by_frame else samples,
            samples=samples,
            tokens=tokens,
        )

    def part(self, rows: slice) -> Batch:
        """Some of its samples."""
        return Batch(
            inputs=tuple(tensor[rows] for tensor in self.inputs),
            target=self.target[rows],
            teacher=None if self.teacher is None else self.teacher[rows],
            mask=None if self.mask is None else self.mask[rows],
            whole=self.counts() if self.whole is None else self.whole,
        )


def view_of_epoch(epoch: int, views: int | None) -> int:
    """Epochs go round the stored views; without stored outputs each has a view of its own."""
    return epoch if views is None else epoch % views


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFeed:
    """The batches of one process. Every process sees its own part of each global batch.

    mixup: alpha of its Beta distribution; None mixes nothing. order_seed: of the order alone, so
    that runs from several seeds share stored outputs; default `seed`. labelled_only: samples
    without a label are left out, also as partners of mixup.
    """

    task: Task
    batch: int
    seed: int
    teacher_outputs: Sequence[Rows] | None = None  # one (n, classes) per view
    process: int = 0
    processes: int = 1
    mixup: float | None = None
    order_seed: int | None = None
    labelled_only: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """The last, smaller batch is dropped: its BatchNorm statistics would be noise."""
        return max(1, len(self.task.train) // self.batch)

    def batches(self, epoch: int, *, first_step: int = 0) -> Iterator[Batch]:
        train = self.task.train
        order_seed = self.seed if self.order_seed is None else self.order_seed
        order = epoch_rows(
            self.task, self.batch, seed=order_seed, epoch=epoch, labelled_only=self.labelled_only
        )
        views = len(self.teacher_outputs) if self.teacher_outputs else None
        view = view_of_epoch(epoch, views)
        for step in range(first_step, self.steps_per_epoch):
            rows = order[step * self.batch : (step + 1) * self.batch]
            whole = self._counts(rows) if self.processes > 1 else None
            rows = rows[self.process :: self.processes]
            teacher = None
            if self.teacher_outputs:
                teacher = torch.from_numpy(np.asarray(self.teacher_outputs[view][rows])).float()
            inputs = mixed_view(
                self.task,
                train,
                rows,
                seed=self.seed,
                view=view,
                alpha=self.mixup,
                pool=self._mixed_with,
            )
            yield Batch(
                inputs=inputs,
                target=self._target(rows, view, inputs),
                teacher=teacher,
                mask=inputs[_MASK] if self.task.open_axes else None,
                whole=whole,
            )

    def _counts(self, rows: NDArray[np.int64]) -> Counts:
        """As Batch.counts, of the rows of all processes."""
        samples, lengths = len(rows), self.task.lengths(self.task.train.inputs[rows])
        tokens = samples if lengths is None else int(lengths.sum())
        return Counts(
            answers=tokens if self.task.frames else samples, samples=samples, tokens=tokens
        )

    def _target(self, rows: NDArray[np.int64], view: int, inputs: Inputs) -> Tensor:
        train = self.task.train
        if self.task.frames:
            return torch.from_numpy(train.labels[rows][:, : inputs[_MASK].shape[1]])
        if self.mixup is None:
            return torch.from_numpy(train.labels[rows])
        return self._mixed(rows, view)

    def _mixed(self, rows: NDArray[np.int64], view: int) -> Tensor:
        assert self.mixup is not None
        return mixed_labels(
            self.task.train,
            rows,
            classes=len(self.task.classes),
            seed=self.seed,
            view=view,
            alpha=self.mixup,
            pool=self._mixed_with,
        )

    @property
    def _mixed_with(self) -> NDArray[np.int64] | None:
        return labelled_rows(self.task.train) if self.labelled_only else None

    def statistics_batches(self) -> Iterator[Inputs]:
        """Augmented training inputs for BatchNorm, the same at every call.

        Of rows drawn from all over the split, in batches of like size: files are often sorted by
        class, and the variances of batches of one class lack what lies between classes.
        """
        train = self.task.train
        used = labelled_rows(train) if self.labelled_only else np.arange(len(train))
        order = epoch_order(len(used), seed=self.seed, epoch=_STATISTICS_ORDER)
        drawn = used[order[: STATISTICS_BATCHES * STATISTICS_BATCH]]
        if len(drawn) < 2:
            return
        for rows in np.array_split(drawn, math.ceil(len(drawn) / STATISTICS_BATCH)):
            yield view_inputs(self.task, train, rows, seed=self.seed, view=STATISTICS_VIEW)
