"""Accuracy and cross-entropy of a module on the validation samples of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from compress.tasks.batches import row_batches
from compress.tasks.data import Task
from compress.tasks.views import Inputs, as_inputs

EVALUATION_BATCH = 500


def validate(
    module: nn.Module,
    task: Task,
    *,
    device: torch.device,
    between: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """(accuracy in [0, 1], mean cross-entropy), in eval mode. between: called between batches."""
    validation = task.validation
    with evaluating(module):
        right, total = 0, 0.0
        for index, rows in enumerate(row_batches(task, validation, EVALUATION_BATCH)):
            if index:
                between()
            inputs = moved(as_inputs(task, validation.inputs[rows]), device)
            target = torch.from_numpy(validation.labels[rows]).to(device)
            scores = module(*inputs).float()
            right += int((scores.argmax(1) == target).sum())
            total += float(nn.functional.cross_entropy(scores, target, reduction="sum"))
    return right / len(validation), total / len(validation)


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
