"""What an ONNX file says of itself: inputs, outputs, precision, parameters. Reads no tensor."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exporters.tensors import dtype_name, elements, graphs
from exporters.values import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

# Where an operator takes scales and zero points: they are no parameters.
_SCALE_INPUTS = {
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
    "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "ConvInteger": (2, 3),
    "MatMulInteger": (2, 3),
    # onnxruntime's own
    "DynamicQuantizeMatMul": (2, 3),
    "MatMulIntegerToFloat": (2, 3, 4, 5),
    "QGemm": (1, 2, 4, 5, 7, 8),
    "QAttention": (3, 4, 6, 7),
    "MatMulNBits": (2, 3),
}
_QUANTIZED = frozenset(_SCALE_INPUTS) | {"DynamicQuantizeLinear"}
_FLOATS = ("float32", "float16", "bfloat16", "float64")
_INT8 = ("int8", "uint8")
_WHOLE = 0.95  # of the weights: a float16 model keeps a few float32 constants


def inputs(graph: GraphProto) -> tuple[TensorSpec, ...]:
    """What must be fed. Before IR version 4 initialisers were listed as inputs as well."""
    stored = {tensor.name for tensor in graph.initializer}
    return tuple(_spec(value) for value in graph.input if value.name not in stored)


def outputs(graph: GraphProto) -> tuple[TensorSpec, ...]:
    """What comes back."""
    return tuple(_spec(value) for value in graph.output)


def parameters(model: ModelProto) -> int:
    """How many weights are stored: floating point and quantized, without scales or zero points."""
    return sum(count for count, _ in _weights(model))


def precision(model: ModelProto) -> str:
    """float32, float16, bfloat16, int8 (most weights are 8-bit and computed on) or mixed."""
    counts: Counter[str] = Counter()
    for count, kind in _weights(model):
        counts[kind] += count
    total = counts.total()
    if not total:
        return _dominant(Counter(spec.dtype for spec in inputs(model.graph)), _WHOLE)
    operators = {node.op_type for graph in graphs(model) for node in graph.node}
    if operators & _QUANTIZED:
        eighths = sum(counts[kind] for kind in _INT8)
        packed = "MatMulNBits" in operators  # two or more weights in a byte
        return "int8" if eighths >= total / 2 and not packed else "mixed"
    return _dominant(counts, _WHOLE)


def _dominant(counts: Counter[str], share: float) -> str:
    kind, count = next(iter(counts.most_common(1)), ("float32", 0))
    known = kind in {"float32", "float16", "bfloat16"}
    return kind if known and count >= share * counts.total() else "mixed"


def _weights(model: ModelProto) -> Iterator[tuple[int, str]]:
    """Of each stored tensor that is a weight: how many numbers it holds, and their element type.

    Some exporters write every weight as a Constant and none as an initialiser.
    """
    for graph in graphs(model):
        scales, dequantized, packed = set[str](), set[str](), dict[str, int]()
        for node in graph.node:
            places = _SCALE_INPUTS.get(node.op_type, ())
            scales.update(node.input[place] for place in places if place < len(node.input))
            if node.op_type == "DequantizeLinear" and node.input:
                dequantized.add(node.input[0])
            if node.op_type == "MatMulNBits" and len(node.input) > 1:
                packed[node.input[1]] = _packed(node)
        sparse: Iterable[TensorProto] = (entry.values for entry in graph.sparse_initializer)
        named = [(tensor.name, tensor) for tensor in (*graph.initializer, *sparse)]
        for name, tensor in (*named, *_constants(graph)):
            kind = dtype_name(tensor.data_type)
            weight = kind in _FLOATS or kind in _INT8 or name in dequantized
            if weight and name not in scales:
                yield packed.get(name) or elements(tensor), kind


def _constants(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """Name and tensor of each Constant that holds one."""
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            yield from ((node.output[0], at.t) for at in node.attribute if at.name == "value")


def _packed(node: NodeProto) -> int:
    """Weights of a MatMulNBits: its bytes hold blocks, the last one of a column filled up."""
    sizes: dict[str, int] = {one.name: one.i for one in node.attribute if one.name in ("K", "N")}
    return sizes.get("K", 0) * sizes.get("N", 0)


def _spec(value: ValueInfoProto) -> TensorSpec:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return TensorSpec(
            name=value.name, dtype=(kind or "undefined").removesuffix("_type"), shape=()
        )
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        # Any number of dimensions; the tuple can't say that but by a symbol.
        return TensorSpec(name=value.name, dtype=dtype_name(tensor.elem_type), shape=("...",))
    shape: list[int | str | None] = []
    for dim in tensor.shape.dim:
        if dim.HasField("dim_value"):
            shape.append(dim.dim_value if dim.dim_value >= 0 else None)
        else:
            shape.append(dim.dim_param or None)
    return TensorSpec(name=value.name, dtype=dtype_name(tensor.elem_type), shape=tuple(shape))
