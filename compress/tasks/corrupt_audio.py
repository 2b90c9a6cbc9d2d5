"""White noise in test recordings, and in other rows of numbers that are no images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress.tasks.augment_audio import white_noise

SIGNAL_TO_NOISE_DB = 20.0  # against the mean power of each sample
_STREAM = 7_919


def with_noise(
    rows: NDArray[np.float32], *, ids: NDArray[np.int64], seed: int
) -> NDArray[np.float32]:
    """Rows (n, ...) with noise 20 dB below each; it depends on the seed and a sample's id alone."""
    ratios_db = np.full(len(rows), SIGNAL_TO_NOISE_DB)
    return white_noise(rows, ratios_db, seeds=[(seed, _STREAM, int(one)) for one in ids])
