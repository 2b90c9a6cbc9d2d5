"""Multiply-accumulates of one sample through an ONNX graph, from its shapes alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Shape = tuple[int | None, ...]
# Operators that multiply and that are not counted below: their number is unknown, not zero.
_UNCOUNTED = frozenset(
    {"Attention", "DeformConv", "Einsum", "GRU", "LSTM", "RNN", "If", "Loop", "Scan"}
)
_INTEGER_PLACES = {"QLinearConv": (0, 3), "QLinearMatMul": (0, 3)}  # of operands among the inputs


def count_macs(model: ModelProto) -> int | None:
    """Of convolutions and matrix products; biases are free. None where a shape is unknown.

    An open first axis of an input is the batch and counts as 1; any other open axis, an operator
    of another domain than ONNX's own, and one that multiplies in its own way make it None.
    """
    from onnx import shape_inference

    try:
        inferred = shape_inference.infer_shapes(_one_sample(model), data_prop=True)
    except Exception:  # its C++ side raises many kinds, and each means "shapes unknown"
        return None
    shapes = _shapes(inferred)
    total = 0
    for node in inferred.graph.node:
        if node.domain not in {"", "ai.onnx"} or node.op_type in _UNCOUNTED:
            return None
        macs = _of_node(node, shapes)
        if macs is None:
            return None
        total += macs
    return total


def _one_sample(model: ModelProto) -> ModelProto:
    """A copy with batch 1, and without stored shapes, which still hold the symbol."""
    twin = type(model)()
    twin.CopyFrom(model)
    stored = {tensor.name for tensor in twin.graph.initializer}
    for value in twin.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in stored and dims and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    del twin.graph.value_info[:]
    for value in twin.graph.output:
        value.type.tensor_type.ClearField("shape")
    return twin


def _shapes(model: ModelProto) -> dict[str, Shape]:
    graph = model.graph
    shapes: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.tensor_type.HasField("shape"):
            shapes[value.name] = tuple(
                dim.dim_value if dim.HasField("dim_value") else None
                for dim in value.type.tensor_type.shape.dim
            )
    return shapes


def _of_node(node: NodeProto, shapes: dict[str, Shape]) -> int | None:
    first, second = _INTEGER_PLACES.get(node.op_type, (0, 1))
    kind = node.op_type.removeprefix("QLinear").removesuffix("Integer")
    if kind not in {"Conv", "ConvTranspose", "Gemm", "MatMul"}:
        return 0
    left = _known(shapes.get(node.input[first]))
    right = _known(shapes.get(node.input[second]))
    out = _known(shapes.get(node.output[0]))
    if left is None or right is None or out is None:
        return None
    if kind == "Conv":  # weights: (out, in / group, *kernel)
        return math.prod(out) * math.prod(right[1:])
    if kind == "ConvTranspose":  # weights: (in, out / group, *kernel)
        return math.prod(left) * math.prod(right[1:])
    if kind == "Gemm":
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        return math.prod(out) * left[0 if transposed else -1]
    return math.prod(out) * left[-1]


def _known(shape: Shape | None) -> tuple[int, ...] | None:
    if shape is None:
        return None
    whole = tuple(size for size in shape if size is not None)
    return whole if len(whole) == len(shape) else None
