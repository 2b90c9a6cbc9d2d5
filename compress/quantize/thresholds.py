"""Where to clip a tensor, from counts of its values between -t and t in bins of equal width."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Range = tuple[NDArray[np.float32], NDArray[np.float32]]
# onnxruntime's own numbers for percentile and entropy: equal bins give equal thresholds.
BINS = {"percentile": 2048, "entropy": 128, "mse": 2048}
PERCENTILE = 99.999  # onnxruntime's default; of both sides together
_LEVELS = 255
_STEPS = 60  # of the search for the least squared error
_NARROWEST = 0.1


def threshold(
    method: Literal["minmax", "percentile", "entropy", "mse"],
    counts: NDArray[np.int64],
    largest: float,
    low: float,
    high: float,
) -> Range:
    """The range that a method chooses. counts: of equal bins over (-largest, largest); low, high:
    the extremes, which no result leaves. minmax is low and high."""
    if method == "percentile":
        found = percentile_range(counts, largest)
    elif method == "entropy":
        found = entropy_range(counts, largest)
    elif method == "mse":
        found = mse_range(counts, largest, low, high)
    else:
        found = (low, high)
    return (
        np.asarray(max(found[0], low), dtype=np.float32),
        np.asarray(min(found[1], high), dtype=np.float32),
    )


def percentile_range(
    counts: NDArray[np.int64], largest: float, percentile: float = PERCENTILE
) -> tuple[float, float]:
    """Left edges of the bins where the two tails together hold 100 - percentile of the values."""
    edges = np.linspace(-largest, largest, len(counts) + 1)
    below = np.cumsum(counts / counts.sum())
    cut = (100.0 - percentile) / 200.0
    return (
        float(edges[np.searchsorted(below, cut)]),
        float(edges[min(int(np.searchsorted(below, 1.0 - cut)), len(counts))]),
    )


def entropy_range(counts: NDArray[np.int64], largest: float) -> tuple[float, float]:
    """The range whose 128 levels keep the most information: least Kullback-Leibler divergence.

    Source: Migacz, "8-bit inference with TensorRT" (2017), as onnxruntime computes it.
    """
    from onnxruntime.quantization.calibrate import HistogramCollector

    edges = np.linspace(-largest, largest, len(counts) + 1, dtype=np.float32)
    collector = HistogramCollector("entropy", False, len(counts), 128, PERCENTILE, "same")
    whole = (counts, edges, edges[0], edges[-1], edges[-1])
    low, high = collector.get_entropy_threshold(whole, 128)
    return float(low), float(high)


def mse_range(
    counts: NDArray[np.int64], largest: float, low: float, high: float
) -> tuple[float, float]:
    """Least mean squared error of 256 levels; both ends are narrowed, one after the other."""
    edges = np.linspace(-largest, largest, len(counts) + 1)
    kept = counts > 0
    values, weights = ((edges[:-1] + edges[1:]) / 2)[kept], counts[kept].astype(np.float64)
    best = (min(low, 0.0), max(high, 0.0))
    parts = np.linspace(1.0, _NARROWEST, _STEPS)
    for _ in range(2):
        best = min(
            ((best[0], part * max(high, 0.0)) for part in parts),
            key=lambda pair: _squared_error(values, weights, *pair),
        )
        best = min(
            ((part * min(low, 0.0), best[1]) for part in parts),
            key=lambda pair: _squared_error(values, weights, *pair),
        )
    return best


def _squared_error(
    values: NDArray[np.float64], weights: NDArray[np.float64], low: float, high: float
) -> float:
    step = (high - low) / _LEVELS
    if step <= 0:
        return float((weights * values**2).sum())
    zero = np.rint(-low / step)
    rounded = (np.clip(np.rint(values / step) + zero, 0, _LEVELS) - zero) * step
    return float((weights * (values - rounded) ** 2).sum())
