"""What is moved from activations to weights before both are rounded, product by product.

A few channels of a transformer are hundreds of times larger than the rest; one range over all of
them leaves the rest few levels. Dividing channel j by s_j and multiplying row j of the weights by
it changes nothing but what is rounded. s_j = largest(x_j)^a / largest(w_j)^(1 - a): Xiao et al.,
"SmoothQuant" (2023), who take one a for all. Here it is the one with the least error of each
product's own results, on sampled rows, and 0 (nothing moved) is among them.

A calibration method that clips chooses among what is left after the division, where the channels
are alike: before it the range is that of a few of them.
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
from compress.quantize.ranges import Method, Range, clipped, sample_rows
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
    method: Method = "minmax",
) -> tuple[dict[str, Smoothed], dict[str, Smoothed], dict[str, Smoothed]]:
    """By source, for a left side in one step; in two, whose own rounding counts for nothing; and in
    one step of a range that is fixed, where the method finds a narrower one than the extremes.

    spread: least and largest of each channel of each source.
    """
    if not wanted:
        return {}, {}, {}
    sharing: dict[str, list[Product]] = {}
    for product in wanted:
        sharing.setdefault(product.source, []).append(product)
    rows = sample_rows(model, batches, sorted(sharing), inputs=inputs, scratch=scratch, most=_ROWS)
    rewriter = Rewriter(model)
    once: dict[str, Smoothed] = {}
    twice: dict[str, Smoothed] = {}
    weights = {
        source: {product.node: weight_of(rewriter, product) for product in group}
        for source, group in sharing.items()
    }
    for source, own in weights.items():
        for found, is_exact in ((once, False), (twice, True)):
            found[source] = _best(rows[source], own, spread[source], scheme, is_exact=is_exact)
    if method == "minmax":
        return once, twice, {}
    narrower = clipped(
        model,
        batches,
        {
            source: (np.asarray(one.low, np.float32), np.asarray(one.high, np.float32))
            for source, one in once.items()
        },
        inputs=inputs,
        scratch=scratch,
        method=method,
        divisors={source: one.scale for source, one in once.items() if one.scale is not None},
    )
    fixed = {
        source: _stored(
            rows[source], weights[source], once[source].scale, (float(low), float(high)), scheme
        )
        for source, (low, high) in narrower.items()
    }
    return once, twice, fixed


def _best(
    rows: NDArray[np.float32],
    weights: Mapping[str, NDArray[np.float32]],
    spread: Range,
    scheme: Int8Scheme,
    *,
    is_exact: bool,
) -> Smoothed:
    """rows: (r, inputs). weights: node -> (inputs, outputs). is_exact: the left side is."""
    exact = {node: rows @ weight for node, weight in weights.items()}
    trials: list[tuple[float, float, NDArray[np.float32] | None, float, float]] = []
    for strength in _STRENGTHS:
        scale = moved(spread, tuple(weights.values()), strength) if strength else None
        low, high = spread if scale is None else (spread[0] / scale, spread[1] / scale)
        limits = (float(low.min()), float(high.max()))
        left = _taken_for(rows, scale, limits, scheme, is_exact=is_exact)
        scaled = {n: w if scale is None else w * scale[:, None] for n, w in weights.items()}
        error = 0.0
        for node, weight in scaled.items():
            levels, steps = weight_levels(weight, scheme)
            missing = exact[node] - left @ (levels * steps)
            size = float(np.square(exact[node]).sum()) or 1.0
            error += float(np.square(missing - missing.mean(axis=0)).sum()) / size
        trials.append((error, strength, scale, *limits))
    _, _, scale, least, most = min(trials, key=lambda trial: trial[:2])
    return _stored(rows, weights, scale, (least, most), scheme, is_exact=is_exact)


def _stored(
    rows: NDArray[np.float32],
    weights: Mapping[str, NDArray[np.float32]],
    scale: NDArray[np.float32] | None,
    limits: tuple[float, float],
    scheme: Int8Scheme,
    *,
    is_exact: bool = False,
) -> Smoothed:
    """What a file holds of one choice. limits: of the left side after the division."""
    left = _taken_for(rows, scale, limits, scheme, is_exact=is_exact)
    stored, correction = {}, {}
    for node, weight in weights.items():
        scaled_weight = weight if scale is None else weight * scale[:, None]
        stored[node] = weight_levels(scaled_weight, scheme)
        levels, steps = stored[node]
        correction[node] = (rows @ weight - left @ (levels * steps)).mean(axis=0).astype(np.float32)
    low, high = limits
    return Smoothed(scale=scale, low=low, high=high, correction=correction, weights=stored)


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


def _taken_for(
    rows: NDArray[np.float32],
    scale: NDArray[np.float32] | None,
    limits: tuple[float, float],
    scheme: Int8Scheme,
    *,
    is_exact: bool,
) -> NDArray[np.float32]:
    """What the product takes the rows for."""
    left = rows if scale is None else rows / scale
    if is_exact:
        return left
    step, zero = activation_levels(*limits, scheme)
    offset = int(zero)
    least = 0 if scheme.activations == "uint8" else -128
    levels = np.clip(np.rint(left / step) + offset, least, least + 255) - offset
    found: NDArray[np.float32] = (levels * step).astype(np.float32)
    return found
