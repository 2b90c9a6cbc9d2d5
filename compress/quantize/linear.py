"""Matrix products in int8 with results in float, by operators of onnxruntime.

Forms of the left side. `static`: a range fixed by calibration. `twice`: that in two steps, 16 bits
in all (twice.py). `row`: a range per row as it comes (a token, or a sample). Under these an answer
does not depend on what else is in its batch. `dynamic`: one range for the whole tensor as it comes,
batch mates and padding included.

The scale, the offset and the bias are given to one operator (MatMulIntegerToFloat): written as
QuantizeLinear and DequantizeLinear, onnxruntime 1.32 leaves 30 of MiniLM's 36 biases as additions
of their own, which costs a tenth of its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from compress.quantize.graph import Rewriter
from compress.quantize.products import Product
from compress.quantize.scheme import Int8Scheme
from compress.quantize.twice import joined, rounded_rest

if TYPE_CHECKING:
    from onnx import NodeProto

Form = Literal["static", "twice", "row", "dynamic"]
_LEAST = np.float32(1e-12)  # a row of zeros has no scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothed:
    """How the left side of some products is rounded.

    scale: (inputs,) divides the left side and multiplies the weights, or None. low, high: of the
    left side after that. correction: product's node -> (outputs,) mean error, added to the bias.
    weights: product's node -> integers (inputs, outputs) and scales (outputs,), of scaled weights.
    """

    scale: NDArray[np.float32] | None
    low: float
    high: float
    correction: Mapping[str, NDArray[np.float32]]
    weights: Mapping[str, tuple[NDArray[np.int8], NDArray[np.float32]]]


def weight_levels(
    weight: NDArray[np.float32], scheme: Int8Scheme
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(inputs, outputs) to integers of that shape and a scale per output."""
    most = 127 if scheme.weight_bits == 8 else 64
    largest = np.abs(weight).max(axis=0)
    scale = np.where(largest > 0, largest / most, 1.0).astype(np.float32)
    return np.clip(np.rint(weight / scale), -most, most).astype(np.int8), scale


def activation_levels(low: float, high: float, scheme: Int8Scheme) -> tuple[np.float32, np.generic]:
    """Scale and zero point of 256 levels over a range, zero included; symmetric: of 255."""
    low, high = min(low, 0.0), max(high, 0.0)
    if scheme.symmetric:
        most = max(-low, high)
        return np.float32(most / 127 if most else 1), np.int8(0)
    scale = np.float32((high - low) / 255) if high > low else np.float32(1)
    zero = int(np.clip(np.rint(-low / scale), 0, 255))
    if scheme.activations == "uint8":
        return scale, np.uint8(zero)
    return scale, np.int8(zero - 128)


def weight_of(rewriter: Rewriter, product: Product) -> NDArray[np.float32]:
    """(inputs, outputs) float32."""
    value = rewriter.value(product.weight)
    return np.ascontiguousarray(value.T if product.transposed else value)


def round_products(
    rewriter: Rewriter,
    chosen: Mapping[Form, tuple[Product, ...]],
    smoothed: Mapping[str, Smoothed],
    *,
    scheme: Int8Scheme,
) -> None:
    """Replace products by their int8 forms. smoothed: by source; `static` and `twice` need one."""
    for form, wanted in chosen.items():
        sources: dict[str, list[Product]] = {}
        for product in wanted:
            sources.setdefault(product.source, []).append(product)
        for source, sharing in sources.items():
            _round_shared(rewriter, form, source, sharing, smoothed.get(source), scheme)


def _round_shared(
    rewriter: Rewriter,
    form: Form,
    source: str,
    sharing: list[Product],
    smoothed: Smoothed | None,
    scheme: Int8Scheme,
) -> None:
    """Products of one left side, which is rounded once, before the first of them."""
    before: list[NodeProto] = []
    current = source
    scale = None if smoothed is None else smoothed.scale
    if scale is not None:
        inverse = rewriter.add(f"{source}_smooth", np.float32(1) / scale)
        current = rewriter.name(f"{source}_smoothed")
        before.append(rewriter.node("Mul", [source, inverse], current))
    left = ("", "", "", "")
    rest = None
    if form in {"static", "twice"}:
        assert smoothed is not None
        step, offset = activation_levels(smoothed.low, smoothed.high, scheme)
        left = _fixed(rewriter, before, current, step, offset)
        if form == "twice":
            first = left[:3]
            rest = rounded_rest(rewriter, before, current, first, step=step, scheme=scheme)
    elif form == "row":
        left = _by_row(rewriter, before, current, scheme)
    elif len(sharing) > 1:
        left = _as_it_comes(rewriter, before, current)
    for place, product in enumerate(sharing):
        if smoothed is None:
            levels, steps = weight_levels(weight_of(rewriter, product), scheme)
        else:
            levels, steps = smoothed.weights[product.node]
        right = rewriter.add(f"{product.weight}_int8", levels)
        width = rewriter.add(f"{product.weight}_scale", steps)
        bias = _bias(rewriter, product, smoothed)
        made = _product(rewriter, form, current, left, (right, width, bias), product.output)
        if rest is not None:
            again = _product(
                rewriter, form, current, (*rest, ""), (right, width, ""), product.output
            )
            made = list(joined(rewriter, made[0], again[0], product.output))
        for name in product.outputs[1:]:
            node = _maker(rewriter, name)
            rewriter.replace(node, [])
        made = [*before, *made] if place == 0 else made
        rewriter.replace(_maker(rewriter, product.outputs[0]), made)


def _product(
    rewriter: Rewriter,
    form: Form,
    current: str,
    left: tuple[str, str, str, str],
    right: tuple[str, str, str],
    out: str,
) -> list[NodeProto]:
    """left: integers, scale, zero point, row scales. right: integers, scales, bias or ""."""
    weight, width, bias = right
    levels, scale, zero, rows = left
    tail = ["", bias] if bias else []
    if not levels:
        inputs = [current, weight, width, *tail]
        return [rewriter.contrib("DynamicQuantizeMatMul", inputs, out)]
    if form != "row":
        inputs = [levels, weight, scale, width, zero, *tail]
        return [rewriter.contrib("MatMulIntegerToFloat", inputs, out)]
    plain = rewriter.name(f"{out}_unscaled")
    inputs = [levels, weight, scale, width, zero]
    made = [rewriter.contrib("MatMulIntegerToFloat", inputs, plain)]
    scaled = rewriter.name(f"{out}_scaled") if bias else out
    made.append(rewriter.node("Mul", [plain, rows], scaled))
    if bias:
        made.append(rewriter.node("Add", [scaled, bias], out))
    return made


def _fixed(
    rewriter: Rewriter,
    before: list[NodeProto],
    current: str,
    step: np.float32,
    offset: np.generic,
) -> tuple[str, str, str, str]:
    scale, zero = rewriter.add(f"{current}_scale", step), rewriter.add(f"{current}_zero", offset)
    levels = rewriter.name(f"{current}_int8")
    before.append(rewriter.node("QuantizeLinear", [current, scale, zero], levels))
    return levels, scale, zero, ""


def _as_it_comes(
    rewriter: Rewriter, before: list[NodeProto], current: str
) -> tuple[str, str, str, str]:
    from onnx import helper

    names = [rewriter.name(f"{current}_{part}") for part in ("int8", "scale", "zero")]
    before.append(helper.make_node("DynamicQuantizeLinear", [current], names, name=names[0]))
    return names[0], names[1], names[2], ""


def _by_row(
    rewriter: Rewriter, before: list[NodeProto], current: str, scheme: Int8Scheme
) -> tuple[str, str, str, str]:
    """Symmetric: largest magnitude of each row over 127, in unsigned levels around 128."""
    zero_point = np.uint8(128) if scheme.activations == "uint8" else np.int8(0)
    one = rewriter.add(f"{current}_one", np.float32(1))
    zero = rewriter.add(f"{current}_zero", zero_point)
    part = rewriter.add(f"{current}_part", np.float32(1 / 127))
    least = rewriter.add(f"{current}_least", _LEAST)
    names = {
        key: rewriter.name(f"{current}_{key}") for key in ("abs", "max", "safe", "row", "unit", "q")
    }
    modern = next(e.version for e in rewriter.model.opset_import if e.domain in {"", "ai.onnx"})
    if modern >= 18:
        axis = rewriter.add(f"{current}_axis", np.array([-1], dtype=np.int64))
        largest = rewriter.node("ReduceMax", [names["abs"], axis], names["max"], keepdims=1)
    else:
        largest = rewriter.node("ReduceMax", [names["abs"]], names["max"], axes=[-1], keepdims=1)
    before += [
        rewriter.node("Abs", [current], names["abs"]),
        largest,
        rewriter.node("Max", [names["max"], least], names["safe"]),
        rewriter.node("Mul", [names["safe"], part], names["row"]),
        rewriter.node("Div", [current, names["row"]], names["unit"]),
        rewriter.node("QuantizeLinear", [names["unit"], one, zero], names["q"]),
    ]
    return names["q"], one, zero, names["row"]


def _bias(rewriter: Rewriter, product: Product, smoothed: Smoothed | None) -> str:
    correction = None if smoothed is None else smoothed.correction.get(product.node)
    if correction is None:
        return product.bias
    value = rewriter.value(product.bias) if product.bias else np.float32(0)
    return rewriter.add(f"{product.weight}_bias", (value + correction).astype(np.float32))


def _maker(rewriter: Rewriter, output: str) -> NodeProto:
    found: NodeProto = next(node for node in rewriter.model.graph.node if output in node.output)
    return found
