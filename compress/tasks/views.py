"""What a network sees of a sample: scaled float32, plain or as one replayed augmented view."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.tasks.augment import augment
from compress.tasks.data import Samples, Task


def as_input(task: Task, inputs: Tensor) -> Tensor:
    """What a network sees: float32, scaled as the task says, channels last for images."""
    # Divided, not multiplied, as Task.prepare does: 1 / 255 has no exact float32.
    scaled = inputs.float() if task.scale == 1.0 else inputs.float().div_(1.0 / task.scale)
    if scaled.ndim == 4:
        return scaled.contiguous(memory_format=torch.channels_last)
    return scaled


def view_inputs(
    task: Task, samples: Samples, rows: NDArray[np.int64], *, seed: int, view: int
) -> Tensor:
    """One augmented view of some rows, ready for a network. (rows, ...) float32."""
    raw = torch.from_numpy(np.ascontiguousarray(samples.inputs[rows]))
    if raw.ndim == 4:
        ids = samples.ids[rows]
        raw = augment(raw, task.augmentation, seed=seed, view=view, sample_index=ids)
    return as_input(task, raw)
