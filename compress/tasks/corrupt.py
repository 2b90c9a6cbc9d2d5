"""Standard corruptions of test images, replayed bit for bit: noise, blur and loss of contrast.

After Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and
perturbations" (2019), at about the middle of its five severities. Rows stay in their own type and
range, so that a corrupted sample is one that the data could hold.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

IMAGE_CORRUPTIONS = ("noise", "blur", "contrast")
_NOISE = 0.12  # standard deviation, as a part of the range
_CONTRAST = 0.4
_STREAM = 7_919


def corrupt(kind: str, images: NDArray[np.generic], *, seed: int) -> NDArray[np.generic]:
    """(n, channels, height, width) corrupted, same shape and type. kind: of IMAGE_CORRUPTIONS."""
    values = images.astype(np.float32)
    low, high = (0.0, 255.0) if images.dtype == np.uint8 else (values.min(), values.max())
    match kind:
        case "noise":
            drawn = np.random.default_rng((seed, _STREAM))
            noise = drawn.standard_normal(values.shape, dtype=np.float32)
            changed = values + noise * np.float32(_NOISE * float(high - low))
        case "blur":
            changed = _blur(values, sigma=0.3 + values.shape[-1] / 75.0)
        case "contrast":
            middle = values.mean(axis=(1, 2, 3), keepdims=True)
            changed = (values - middle) * np.float32(_CONTRAST) + middle
        case _:
            raise ValueError(f"{kind} does not fit images")
    changed = np.clip(changed, low, high)
    if images.dtype.kind in "iu":
        changed = np.rint(changed)
    return changed.astype(images.dtype)


def _blur(images: NDArray[np.float32], *, sigma: float) -> NDArray[np.float32]:
    """Gaussian, separable, edges repeated."""
    reach = max(1, math.ceil(3.0 * sigma))
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma)).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (2, 3):
        pad = [(0, 0)] * 4
        pad[axis] = (reach, reach)
        padded = np.pad(images, pad, mode="edge")
        size = images.shape[axis]
        images = sum(
            np.float32(weight) * np.take(padded, range(at, at + size), axis=axis)
            for at, weight in enumerate(kernel)
        )  # type: ignore[assignment]
    return images
