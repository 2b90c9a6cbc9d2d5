"""Image arrays in the one layout that networks here take: (n, channels, height, width)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError

_CHANNELS = (1, 3, 4)


def as_images(array: NDArray[np.generic], *, where: str) -> NDArray[np.generic]:
    """(n, h, w), (n, h, w, c) or (n, c, h, w) -> contiguous (n, c, h, w), uint8 or float32.

    Channels are the second axis where that is 1, 3 or 4 long, else the last. float16 and float64
    become float32. InputError for other shapes and types.
    """
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in _CHANNELS and array.shape[3] in _CHANNELS:
        array = array.transpose(0, 3, 1, 2)
    elif array.ndim != 4 or array.shape[1] not in _CHANNELS:
        raise InputError(
            f"images have the shape {array.shape}",
            where=where,
            cure="give (n, height, width), (n, height, width, channels) or "
            "(n, channels, height, width) with 1, 3 or 4 channels",
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # too large for float32: refused as infinite, by sample
            return np.ascontiguousarray(array, dtype=np.float32)
    raise InputError(f"images are {array.dtype}", where=where, cure="convert them to uint8")
