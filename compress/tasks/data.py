"""What a task is made of: samples in memory (or memory-mapped), split once and for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compress.tasks.augment import Augmentation


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """ids: (n,) int64, unique over all splits; inputs: (n, ...) uint8 or float32; labels: (n,).

    Labels are int64 class indices. Images are (n, channels, height, width).
    """

    ids: NDArray[np.int64]
    inputs: NDArray[np.generic]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayData:
    """What a `kind: python` task returns: inputs and labels per split, and the class names."""

    train: tuple[NDArray[np.generic], NDArray[np.integer]]
    test: tuple[NDArray[np.generic], NDArray[np.integer]]
    validation: tuple[NDArray[np.generic], NDArray[np.integer]] | None = None
    classes: tuple[str, ...]
    scale: float | None = None  # what inputs are multiplied by; default 1/255 for uint8, else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Train and validation are for every choice; `test` is called by the judge stage alone."""

    name: str
    classes: tuple[str, ...]
    input_name: str
    scale: float
    augmentation: Augmentation
    fingerprint: str  # SHA-256 over all splits, class names and preprocessing
    train: Samples
    validation: Samples
    test: Callable[[], Samples] = field(repr=False)
    notes: tuple[str, ...] = ()  # what a reader must know: copies between splits, absent classes

    def prepare(self, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
        """What the network sees: float32, scaled. Same shape."""
        return inputs.astype(np.float32) / np.float32(1.0 / self.scale)
