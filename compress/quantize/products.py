"""The matrix products with a constant weight: what carries a transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_BIAS = 2  # place among the inputs of Gemm
_MATRIX = 2  # axes
_FLOAT = 1  # TensorProto.FLOAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """x @ weight + bias. weight: name of a constant of (inputs, outputs), or its transpose."""

    node: str  # name of the MatMul or Gemm
    source: str  # tensor x
    weight: str
    transposed: bool
    bias: str  # name of a constant of (outputs,), or ""
    output: str  # tensor that holds the result, with the bias
    outputs: tuple[str, ...]  # first outputs of the nodes that it stands for, the last one's last
    inputs_count: int
    outputs_count: int


def products(model: ModelProto) -> tuple[Product, ...]:
    """MatMul and Gemm nodes with a constant matrix on the right, and the constant added behind.

    Nodes must have names. In the order of the graph.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    outputs = {value.name for value in model.graph.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = []
    for node in model.graph.node:
        weight = constants.get(node.input[1]) if len(node.input) > 1 else None
        if weight is None or len(weight.dims) != _MATRIX or node.input[0] in constants:
            continue
        if weight.data_type != _FLOAT:  # a small part in float64, or of whole numbers
            continue
        transposed, bias, out, nodes = False, "", node.output[0], (node.output[0],)
        if node.op_type == "Gemm":
            numbers = {a.name: a.f if a.name in {"alpha", "beta"} else a.i for a in node.attribute}
            if numbers.get("transA") or {numbers.get("alpha", 1.0), numbers.get("beta", 1.0)} != {
                1.0
            }:
                continue
            transposed = bool(numbers.get("transB"))
            bias = node.input[_BIAS] if len(node.input) > _BIAS else ""
            if bias and (bias not in constants or len(constants[bias].dims) != 1):
                continue
        elif node.op_type == "MatMul":
            following = readers.get(out, [])
            if len(following) == 1 and following[0].op_type == "Add" and out not in outputs:
                other = [name for name in following[0].input if name != out]
                width = weight.dims[1]
                if other and other[0] in constants and list(constants[other[0]].dims) == [width]:
                    bias, out = other[0], following[0].output[0]
                    nodes = (node.output[0], out)  # type: ignore[assignment]
        else:
            continue
        rows, columns = reversed(weight.dims) if transposed else weight.dims
        found.append(
            Product(
                node=node.name,
                source=node.input[0],
                weight=node.input[1],
                transposed=transposed,
                bias=bias,
                output=out,
                outputs=nodes,
                inputs_count=rows,
                outputs_count=columns,
            )
        )
    return tuple(found)
