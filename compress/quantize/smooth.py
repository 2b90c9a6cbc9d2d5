"""What is moved from activations to weights before both are rounded, product by product.

A few channels of a transformer are hundreds of times larger than the rest; one range over all of
them leaves the rest few levels. Dividing channel j by s_j and multiplying row j of the weights by
it changes nothing but what is rounded. s_j = largest(x_j)^a / largest(w_j)^(1 - a): Xiao et al.,
"SmoothQuant" (2023), who take one a for all. Here it is the one with the least error of each
product's own results, on sampled rows, and 0 (nothing moved) is among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.quantize.feeds import Batch
from compress.quantize.graph import Rewriter
from compress.quantize.linear import Smoothed, activation_levels, weight_levels, weight_of
from compress.quantize.products import Product
from compress.quantize.ranges import Range, sample_rows
from compress.quantize.scheme import Int8Scheme
from exporters.values import TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto

_STRENGTHS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
_ROWS = 256  # of each left side that are kept to compare by
_LEAST = 1e-5


def smooth(
    model: ModelProto,
    wanted: Sequence[Product],
    spread: Mapping[str, Range],
    batches: Iterable[Batch],
    *,
    inputs: Sequence[TensorSpec],
    scheme: Int8Scheme,
    scratch: Path,
) -> tuple[dict[str, Smoothed], dict[str, Smoothed]]:
    """By source, for a left side in one step and in two, whose own rounding counts for nothing.

    spread: least and largest of each channel of each source.
    """
    sharing: dict[str, list[Product]] = {}
    for product in wanted:
        sharing.setdefault(product.source, []).append(product)
    rows = sample_rows(model, batches, sorted(sharing), inputs=inputs, scratch=scratch, most=_ROWS)
    rewriter = Rewriter(model)
    once: dict[str, Smoothed] = {}
    twice: dict[str, Smoothed] = {}
    for source, group in sharing.items():
        weights = {product.node: weight_of(rewriter, product) for product in group}
        for found, is_exact in ((once, False), (twice, True)):
            found[source] = _best(rows[source], weights, spread[source], scheme, is_exact=is_exact)
    return once, twice


def _best(
    rows: NDArray[np.float32],
    weights: Mapping[str, NDArray[np.float32]],
    spread: Range,
    scheme: Int8Scheme,
    *,
    is_exact: bool,
) -> Smoothed:
    """rows: (r, inputs). weights: node -> (inputs, outputs). is_exact: the left side is."""

    def taken_for(
        scale: NDArray[np.float32] | None, low: float, high: float
    ) -> NDArray[np.float32]:
        if is_exact:
            return rows if scale is None else rows / scale
        return _rounded(rows, scale, low, high, scheme)

    exact = {node: rows @ weight for node, weight in weights.items()}
    trials: list[tuple[float, float, NDArray[np.float32] | None, float, float]] = []
    for strength in _STRENGTHS:
        scale = moved(spread, tuple(weights.values()), strength) if strength else None
        low, high = spread if scale is None else (spread[0] / scale, spread[1] / scale)
        left = taken_for(scale, float(low.min()), float(high.max()))
        scaled = {n: w if scale is None else w * scale[:, None] for n, w in weights.items()}
        error = 0.0
        for node, weight in scaled.items():
            levels, steps = weight_levels(weight, scheme)
            missing = exact[node] - left @ (levels * steps)
            size = float(np.square(exact[node]).sum()) or 1.0
            error += float(np.square(missing - missing.mean(axis=0)).sum()) / size
        trials.append((error, strength, scale, float(low.min()), float(high.max())))
    _, _, scale, least, most = min(trials, key=lambda trial: trial[:2])
    left = taken_for(scale, least, most)
    stored, correction = {}, {}
    for node, weight in weights.items():
        scaled_weight = weight if scale is None else weight * scale[:, None]
        stored[node] = weight_levels(scaled_weight, scheme)
        levels, steps = stored[node]
        correction[node] = (exact[node] - left @ (levels * steps)).mean(axis=0).astype(np.float32)
    return Smoothed(scale=scale, low=least, high=most, correction=correction, weights=stored)


def moved(
    spread: Range, weights: Sequence[NDArray[np.float32]], strength: float
) -> NDArray[np.float32]:
    """s, (inputs,), with a geometric mean of 1."""
    left = np.maximum(np.maximum(np.abs(spread[0]), np.abs(spread[1])), _LEAST)
    right = np.maximum(np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0), _LEAST)
    scale = left**strength / right ** (1.0 - strength)
    scale = scale / np.exp(np.log(scale).mean())
    found: NDArray[np.float32] = np.clip(scale, 1e-4, 1e4).astype(np.float32)
    return found


def _rounded(
    rows: NDArray[np.float32],
    scale: NDArray[np.float32] | None,
    low: float,
    high: float,
    scheme: Int8Scheme,
) -> NDArray[np.float32]:
    """What the int8 product takes the rows for."""
    step, zero = activation_levels(low, high, scheme)
    offset = int(zero)
    least = 0 if scheme.activations == "uint8" else -128
    left = rows if scale is None else rows / scale
    levels = np.clip(np.rint(left / step) + offset, least, least + 255) - offset
    found: NDArray[np.float32] = (levels * step).astype(np.float32)
    return found
