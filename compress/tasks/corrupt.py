"""Standard corruptions of test samples, replayed bit for bit: noise, blur and loss of contrast.

After Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and
perturbations" (2019), at about the middle of its five severities. Rows stay in their own type and
range, so that a corrupted sample is one that the data could hold.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_NOISE = 0.12  # standard deviation, as a part of the range
_SIGNAL_TO_NOISE_DB = 20.0  # of rows that are no images: waveforms, features
_CONTRAST = 0.4
_STREAM = 7_919


def corruptions_of(inputs: NDArray[np.generic]) -> tuple[str, ...]:
    """Those that fit: of images (n, channels, height, width) three, of other numbers noise."""
    if inputs.ndim == 4:
        return ("noise", "blur", "contrast")
    return ("noise",) if inputs.dtype.kind == "f" else ()


def corrupt(kind: str, inputs: NDArray[np.generic], *, seed: int) -> NDArray[np.generic]:
    """The samples corrupted, same shape and type. ValueError for a kind that does not fit."""
    if kind not in corruptions_of(inputs):
        raise ValueError(f"{kind} does not fit inputs of shape {inputs.shape[1:]}, {inputs.dtype}")
    values = inputs.astype(np.float32)
    low, high = (0.0, 255.0) if inputs.dtype == np.uint8 else (values.min(), values.max())
    match kind:
        case "noise":
            changed = values + _noise(values, float(high - low), seed)
        case "blur":
            changed = _blur(values, sigma=0.3 + values.shape[-1] / 75.0)
        case _:
            middle = values.mean(axis=(1, 2, 3), keepdims=True)
            changed = (values - middle) * np.float32(_CONTRAST) + middle
    if inputs.ndim == 4:
        changed = np.clip(changed, low, high)
    if inputs.dtype.kind in "iu":
        changed = np.rint(changed)
    return changed.astype(inputs.dtype)


def _noise(values: NDArray[np.float32], span: float, seed: int) -> NDArray[np.float32]:
    drawn = np.random.default_rng((seed, _STREAM)).standard_normal(values.shape, dtype=np.float32)
    if values.ndim == 4:
        return drawn * np.float32(_NOISE * span)
    power = np.sqrt(np.square(values).mean(axis=tuple(range(1, values.ndim)), keepdims=True))
    scaled: NDArray[np.float32] = drawn * power * np.float32(10 ** (-_SIGNAL_TO_NOISE_DB / 20))
    return scaled


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
