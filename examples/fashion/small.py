"""A small part of Fashion-MNIST, for searches of minutes: `target: "small.py:data"`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress.cli.cache_folder import cache_folder
from compress.tasks.data import ArrayData
from compress.tasks.fashion import CLASSES, load_fashion

TRAIN, VALIDATION, TEST = 3000, 2000, 2000


def data() -> ArrayData:
    """Validation and test are both of the official test split, which no shipped teacher has seen:
    what it gains over a student by heart shows in neither."""
    files = load_fashion(folder=None, cache=cache_folder(None))
    train = files["train-images-idx3-ubyte"], files["train-labels-idx1-ubyte"].astype(np.int64)
    held = files["t10k-images-idx3-ubyte"], files["t10k-labels-idx1-ubyte"].astype(np.int64)
    return ArrayData(
        train=_part(*train, first=0, count=TRAIN),
        validation=_part(*held, first=0, count=VALIDATION),
        test=_part(*held, first=VALIDATION, count=TEST),
        classes=CLASSES,
    )


def _part(
    images: NDArray[np.generic], labels: NDArray[np.int64], *, first: int, count: int
) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    return images[first : first + count, None], labels[first : first + count]
