"""Batched image augmentation in memory, replayed exactly from (seed, view, sample index)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.tasks.counter import uniform


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Random crop after zero padding, horizontal flip, random erasing (Zhong et al., 2017)."""

    pad_pixels: int = 0
    flip: bool = False
    erase_probability: float = 0.0
    erase_area_min: float = 0.02
    erase_area_max: float = 0.25
    erase_aspect_max: float = 3.0

    @property
    def is_identity(self) -> bool:
        return self.pad_pixels == 0 and not self.flip and self.erase_probability == 0.0


def augment(
    images: Tensor, spec: Augmentation, *, seed: int, view: int, sample_index: NDArray[np.int64]
) -> Tensor:
    """One view of a batch. images: (batch, channels, height, width) of any dtype -> same shape."""
    if spec.is_identity:
        return images
    batch, _, height, width = images.shape
    draw = uniform(seed, view, sample_index, draws=8)
    if spec.pad_pixels:
        images = _crop(images, spec.pad_pixels, draw[:, 0], draw[:, 1])
    if spec.flip:
        flipped = torch.from_numpy(draw[:, 2] < 0.5).view(batch, 1, 1, 1)
        images = torch.where(flipped, images.flip(3), images)
    if spec.erase_probability:
        images = images.masked_fill(_erased(spec, draw, height=height, width=width), 0)
    return images


def _crop(
    images: Tensor, pad: int, across: NDArray[np.float64], down: NDArray[np.float64]
) -> Tensor:
    batch, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    left = torch.from_numpy((across * (2 * pad + 1)).astype(np.int64))
    top = torch.from_numpy((down * (2 * pad + 1)).astype(np.int64))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(batch), :, top, left]


def _erased(spec: Augmentation, draw: NDArray[np.float64], *, height: int, width: int) -> Tensor:
    """The rectangle removed from each image, as a mask of shape (batch, 1, height, width)."""
    area = spec.erase_area_min + draw[:, 4] * (spec.erase_area_max - spec.erase_area_min)
    aspect = np.exp((2.0 * draw[:, 5] - 1.0) * np.log(spec.erase_aspect_max))
    rows = np.clip(np.round(np.sqrt(area * aspect) * height), 1, height)
    columns = np.clip(np.round(np.sqrt(area / aspect) * width), 1, width)
    top = np.floor(draw[:, 6] * (height - rows + 1))
    left = np.floor(draw[:, 7] * (width - columns + 1))
    y, x = np.arange(height)[None, :], np.arange(width)[None, :]
    in_rows = (y >= top[:, None]) & (y < (top + rows)[:, None])
    in_columns = (x >= left[:, None]) & (x < (left + columns)[:, None])
    chosen = draw[:, 3] < spec.erase_probability
    mask = in_rows[:, :, None] & in_columns[:, None, :] & chosen[:, None, None]
    return torch.from_numpy(mask[:, None])
