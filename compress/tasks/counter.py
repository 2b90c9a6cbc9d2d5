"""Counter-based random numbers: a value depends on (seed, view, sample, draw) and on nothing else.

So an augmented view can be drawn again in any order, batch or process, which is what lets stored
teacher outputs match the very image that the student sees.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


def uniform(
    seed: int, view: int, sample_index: NDArray[np.int64], *, draws: int
) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1). sample_index: (batch,) -> (batch, draws)."""
    with np.errstate(over="ignore"):
        key = _mix(np.asarray([seed], dtype=np.uint64) + _GOLDEN)
        key = _mix(key + np.asarray([view], dtype=np.uint64) * _GOLDEN)
        rows = _mix(key + sample_index.astype(np.uint64) * _GOLDEN)
        columns = (np.arange(draws, dtype=np.uint64) + np.uint64(1)) * _GOLDEN
        bits = _mix(rows[:, None] + columns[None, :])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
