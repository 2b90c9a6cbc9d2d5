"""How good a module is on validation: accuracy, or how it keeps the teacher's similarities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compress.metrics.fidelity import cosines, spearman, spread_rows
from compress.tasks.batches import row_batches
from compress.tasks.data import Samples, Task
from compress.tasks.labelled import NO_LABEL
from compress.tasks.views import Inputs, as_inputs

EVALUATION_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What an epoch is judged by. embeddings: (rows, width) the teacher's of evenly spread
    validation samples, for a task of embeddings; None for one of classes."""

    task: Task
    embeddings: NDArray[np.float32] | None = None

    def __call__(
        self,
        module: nn.Module,
        *,
        device: torch.device,
        between: Callable[[], None] = lambda: None,
    ) -> tuple[float, float]:
        """(score, loss): accuracy and cross-entropy, or Spearman's correlation over pairs and the
        mean squared difference of cosines. between: called between batches."""
        if self.embeddings is None:
            return validate(module, self.task, device=device, between=between)
        own = embed(module, self.task, len(self.embeddings), device=device, between=between)
        apart = cosines("the student", own) - cosines("the teacher", self.embeddings)
        return spearman(self.embeddings, own), float(np.square(apart).mean())

    def words(self, score: float) -> str:
        """A score as it is told."""
        if self.embeddings is None:
            return f"validation {100 * score:.2f} %"
        return f"validation Spearman {score:.4f}"


def embed(
    module: nn.Module,
    task: Task,
    count: int,
    *,
    device: torch.device,
    between: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:
    """(count, width): what a module gives of evenly spread validation samples, in eval mode."""
    samples = spread_samples(task.validation, count)
    found: NDArray[np.float32] = np.empty((count, 0), dtype=np.float32)
    with evaluating(module):
        for index, rows in enumerate(row_batches(task, samples, EVALUATION_BATCH)):
            if index:
                between()
            answered = module(*moved(as_inputs(task, samples.inputs[rows]), device))
            numbers = answered.float().cpu().numpy()
            if not index:
                found = np.empty((count, numbers.shape[1]), dtype=np.float32)
            found[rows] = numbers
    return found


def spread_samples(samples: Samples, most: int) -> Samples:
    """At most `most` of them, evenly spread."""
    rows = spread_rows(len(samples), most)
    return replace(
        samples,
        ids=samples.ids[rows],
        inputs=samples.inputs[rows],
        labels=samples.labels[rows],
        columns={},
        groups=None,
    )


def validate(
    module: nn.Module,
    task: Task,
    *,
    device: torch.device,
    between: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """(accuracy in [0, 1], mean cross-entropy) of samples, or of the labelled frames of streams, in
    eval mode. between: called between batches."""
    validation = task.validation
    with evaluating(module):
        right, total, judged = 0, 0.0, 0
        for index, rows in enumerate(row_batches(task, validation, EVALUATION_BATCH)):
            if index:
                between()
            inputs = moved(as_inputs(task, validation.inputs[rows]), device)
            target = torch.from_numpy(validation.labels[rows]).to(device)
            scores = module(*inputs).float()
            if task.frames:
                target = target[:, : scores.shape[1]]
                known = target != NO_LABEL
                scores, target = scores[known], target[known]
            right += int((scores.argmax(1) == target).sum())
            total += float(nn.functional.cross_entropy(scores, target, reduction="sum"))
            judged += len(target)
    return right / judged, total / judged


def moved(inputs: Inputs, device: torch.device) -> Inputs:
    """The same inputs on a device."""
    return tuple(tensor.to(device) for tensor in inputs)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; the mode that it had comes back."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was_training)
