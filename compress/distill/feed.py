"""Training batches from memory: order, augmented view and teacher outputs are functions of
(seed, epoch, sample), so any step of any epoch can be made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.tasks.batches import epoch_rows
from compress.tasks.data import Task
from compress.tasks.views import Inputs, view_inputs
from compress.teachers.stored import StoredOutputs

STATISTICS_VIEW = 9999  # the view on which BatchNorm statistics are re-estimated
STATISTICS_BATCH = 250
STATISTICS_BATCHES = 40
Rows = StoredOutputs | NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """inputs: (batch, ...) each; target: (batch,) int64; teacher: (batch, classes) or None."""

    inputs: Inputs
    target: Tensor
    teacher: Tensor | None


def view_of_epoch(epoch: int, views: int | None) -> int:
    """Epochs go round the stored views; without stored outputs each has a view of its own."""
    return epoch if views is None else epoch % views


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFeed:
    """The batches of one process. Every process sees its own part of each global batch."""

    task: Task
    batch: int
    seed: int
    teacher_outputs: Sequence[Rows] | None = None  # one (n, classes) per view
    process: int = 0
    processes: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """The last, smaller batch is dropped: its BatchNorm statistics would be noise."""
        return max(1, len(self.task.train) // self.batch)

    def batches(self, epoch: int, *, first_step: int = 0) -> Iterator[Batch]:
        train = self.task.train
        order = epoch_rows(self.task, self.batch, seed=self.seed, epoch=epoch)
        views = len(self.teacher_outputs) if self.teacher_outputs else None
        view = view_of_epoch(epoch, views)
        for step in range(first_step, self.steps_per_epoch):
            rows = order[step * self.batch : (step + 1) * self.batch]
            rows = rows[self.process :: self.processes]
            teacher = None
            if self.teacher_outputs:
                teacher = torch.from_numpy(np.asarray(self.teacher_outputs[view][rows])).float()
            yield Batch(
                inputs=view_inputs(self.task, train, rows, seed=self.seed, view=view),
                target=torch.from_numpy(train.labels[rows]),
                teacher=teacher,
            )

    def statistics_batches(self) -> Iterator[Inputs]:
        """Augmented training inputs for BatchNorm, the same at every call."""
        train = self.task.train
        for index in range(STATISTICS_BATCHES):
            rows = np.arange(index * STATISTICS_BATCH, (index + 1) * STATISTICS_BATCH)
            rows = rows[rows < len(train)]
            if len(rows) < 2:
                return
            yield view_inputs(self.task, train, rows, seed=self.seed, view=STATISTICS_VIEW)
