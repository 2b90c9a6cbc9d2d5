"""Convolutions in int8, and what lies between them: rounded once, and handed on as integers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.errors import DistilError
from compress.quantize.operators import QUANTIZED_OPERATORS, heads, tail, thin_stems
from compress.quantize.scheme import Int8Scheme

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_FLOAT = 1
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
# Where these are, matrix products are rounded one by one (linear.py) and nothing between them is:
# static ranges of attention's own sums and of masks destroy it.
_OF_TRANSFORMERS = frozenset({"Softmax", "LayerNormalization", "Gelu", "Erf", "Attention"})


def is_transformer(model: ModelProto) -> bool:
    """Whether the graph has attention, or what usually comes with it."""
    return any(node.op_type in _OF_TRANSFORMERS for node in model.graph.node)


def chained(model: ModelProto) -> tuple[str, ...]:
    """Names of the nodes that are computed in int8 from end to end.

    In a transformer: its convolutions, and what has integers on all its sides.
    """
    left = {*thin_stems(model), *tail(model)}
    nodes = [n for n in model.graph.node if n.op_type in QUANTIZED_OPERATORS and n.name not in left]
    if not is_transformer(model):
        return tuple(node.name for node in nodes)
    constants = {tensor.name for tensor in model.graph.initializer}
    inside: dict[str, str] = {}  # tensor -> the chained node that makes it
    kept: dict[str, NodeProto] = {}
    for node in nodes:
        is_convolution = node.op_type in _CONVOLUTIONS and node.input[1] in constants
        flowing = [name for name in node.input if name and name not in constants]
        joins = node.op_type not in {"Gemm", "MatMul"} and all(name in inside for name in flowing)
        if is_convolution or (joins and flowing):
            kept[node.name] = node
            inside.update(dict.fromkeys(node.output, node.name))
    readers: dict[str, set[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(node.name)
    for name in reversed(list(kept)):  # what only leads out again stays in float
        node = kept[name]
        if node.op_type not in {*_CONVOLUTIONS, "Relu", "Clip"} and not any(
            reader in kept for out in node.output for reader in readers.get(out, ())
        ):
            del kept[name]
    return tuple(kept)


def chain_tensors(model: ModelProto, nodes: Collection[str]) -> tuple[str, ...]:
    """Float tensors around these nodes, whose ranges they need."""
    typed = {
        value.name
        for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)
        if value.type.tensor_type.elem_type == _FLOAT
    }
    typed -= {tensor.name for tensor in model.graph.initializer}
    found = {
        name
        for node in model.graph.node
        if node.name in nodes
        for name in (*node.input, *node.output)
        if name in typed
    }
    return tuple(sorted(found))


def round_chain(
    model: ModelProto,
    nodes: Sequence[str],
    ranges: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]],
    *,
    scheme: Int8Scheme,
) -> None:
    """Put QuantizeLinear and DequantizeLinear around nodes, in place."""
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType, TensorsData

    if not nodes:
        return
    last = heads(model)
    # Positional: the library's keywords (weight_qType, ...) differ between its versions.
    quantizer = QDQQuantizer(
        model,
        True,  # per channel
        scheme.weight_bits == 7,
        QuantType.QInt8,
        QuantType.QUInt8 if scheme.activations == "uint8" else QuantType.QInt8,
        TensorsData(CalibrationMethod.MinMax, dict(ranges)),
        list(nodes),
        [],
        list(QUANTIZED_OPERATORS),
        {"MatMulConstBOnly": True, "ActivationSymmetric": scheme.symmetric},
    )
    try:
        quantizer.quantize_model()
    except (ValueError, TypeError, RuntimeError, KeyError, AssertionError) as exc:
        raise DistilError(
            f"onnxruntime can't quantize it: {exc}",
            cure="ship the float file (`quantize: {kind: none}`)",
        ) from exc
    quantizer.model.topological_sort()
    made = quantizer.model.model
    if made is not model:
        model.CopyFrom(made)
    _leave_in_float(model, last)


def _leave_in_float(model: ModelProto, heads: Collection[str]) -> None:
    """Take the rounding of the heads' results out again: the quantizer has no switch for a node."""
    graph = model.graph
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for head in [node for node in graph.node if node.name in heads]:
        into = _only(readers.get(head.output[0]), "QuantizeLinear")
        back = into and _only(readers.get(into.output[0]), "DequantizeLinear")
        if into and back:
            head.output[0] = back.output[0]
            graph.node.remove(into)
            graph.node.remove(back)


def _only(nodes: list[NodeProto] | None, kind: str) -> NodeProto | None:
    return nodes[0] if nodes and len(nodes) == 1 and nodes[0].op_type == kind else None
