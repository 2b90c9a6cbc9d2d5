"""What a network sees of samples: its input tensors, plain or as one replayed augmented view."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.tasks.augment import augment
from compress.tasks.augment_audio import AudioAugmentation, augment_audio
from compress.tasks.data import Samples, Task

Inputs = tuple[Tensor, ...]  # one per name in Task.input_names: a network is called with *inputs


def as_inputs(task: Task, rows: NDArray[np.generic]) -> Inputs:
    """What a network sees of rows as stored, without augmentation."""
    if task.open_axes:
        return tuple(torch.from_numpy(array) for array in task.collate(rows).values())
    return (_scaled(task, torch.from_numpy(np.ascontiguousarray(rows))),)


def view_inputs(
    task: Task, samples: Samples, rows: NDArray[np.int64], *, seed: int, view: int
) -> Inputs:
    """One augmented view of some rows, ready for a network. Text and streams have one
    view alone."""
    stored = np.ascontiguousarray(samples.inputs[rows])
    ids, spec = samples.ids[rows], task.augmentation
    if isinstance(spec, AudioAugmentation):
        heard = stored.astype(np.float32, copy=False)
        return as_inputs(task, augment_audio(heard, spec, seed=seed, view=view, sample_ids=ids))
    if task.padding is not None or stored.ndim != 4:
        return as_inputs(task, stored)
    images = augment(
        torch.from_numpy(stored),
        spec,
        seed=seed,
        view=view,
        sample_index=ids,
    )
    return (_scaled(task, images),)


def _scaled(task: Task, inputs: Tensor) -> Tensor:
    """float32, scaled as the task says, channels last for images."""
    # Divided, not multiplied, as Task.prepare does: 1 / 255 has no exact float32.
    scaled = inputs.float() if task.scale == 1.0 else inputs.float().div_(1.0 / task.scale)
    if scaled.ndim == 4:
        return scaled.contiguous(memory_format=torch.channels_last)
    return scaled
