"""Tensors stored in a model: found everywhere a file can hold one, and sized without loading."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from exporters.errors import RefusedModel

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

_STRING = 8
_COMPLEX = frozenset({14, 15})
# Bits of an element per TensorProto.DataType (onnx.proto); strings have no fixed size.
_BITS = {
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((7, 11, 13, 14), 64),
    15: 128,
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((25, 26), 2),
    **dict.fromkeys((27, 28), 6),
}
_DTYPE_NAMES = {"FLOAT": "float32", "DOUBLE": "float64"}


class Held(NamedTuple):
    """A tensor and where it was found, in words for a message."""

    tensor: TensorProto
    where: str


def quoted(name: str, limit: int = 80) -> str:
    """A name from a file, safe to print: quoted, control characters escaped, cut to limit."""
    return ascii(name if len(name) <= limit else f"{name[: limit - 3]}...")


def node_label(node: NodeProto, index: int) -> str:
    """How messages name a node: its name and operator, or its place where it has no name."""
    name = quoted(node.name) if node.name else f"#{index}"
    return f"node {name} ({quoted(node.op_type)[1:-1]})"


def dtype_name(element: int) -> str:
    """numpy's name of a TensorProto.DataType: 1 -> "float32"."""
    from onnx import TensorProto

    name = str(TensorProto.DataType.Name(element))
    return _DTYPE_NAMES.get(name, name.lower())


def graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The main graph, training graphs and every subgraph of a node's attributes, functions' too."""
    yield from _graphs(model.graph)
    for training in model.training_info:
        yield from _graphs(training.initialization)
        yield from _graphs(training.algorithm)
    for function in model.functions:
        yield from _subgraphs(function.node)


def stored_tensors(model: ModelProto) -> Iterator[Held]:
    """Every tensor in the file: initialisers, sparse ones, constants in attributes, functions'."""
    for graph in graphs(model):
        for tensor in graph.initializer:
            yield Held(tensor, f"initialiser {quoted(tensor.name)}")
        for sparse in graph.sparse_initializer:
            where = f"sparse initialiser {quoted(sparse.values.name)}"
            yield from (Held(sparse.values, where), Held(sparse.indices, where))
        yield from _attribute_tensors(graph.node)
    for function in model.functions:
        yield from _attribute_tensors(function.node)
        for attribute in function.attribute_proto:
            yield from _in_attribute(attribute, f"function {quoted(function.name)}")


def elements(tensor: TensorProto) -> int:
    """prod(dims), exact."""
    return math.prod(tensor.dims)


def expected_bytes(held: Held) -> int:
    """What the tensor's dims and type ask for. RefusedModel on a bad dim or an unknown type."""
    tensor = held.tensor
    if any(dim < 0 for dim in tensor.dims):
        raise RefusedModel(f"{held.where} has a negative dimension: {list(tensor.dims)}")
    bits = _BITS.get(tensor.data_type)
    if bits is None:
        raise RefusedModel(f"{held.where} has the unknown element type {tensor.data_type}")
    return -(-elements(tensor) * bits // 8)


def check_stored_size(held: Held) -> None:
    """Refuse a tensor whose bytes in the file are not what its dims say, before any allocation."""
    tensor = held.tensor
    if tensor.data_type == _STRING:
        expected, found = elements(tensor), len(tensor.string_data)
        if any(dim < 0 for dim in tensor.dims) or found != expected:
            raise RefusedModel(f"{held.where} holds {found} strings, its dims say {expected}")
        return
    expected = expected_bytes(held)
    if tensor.HasField("raw_data"):
        found = len(tensor.raw_data)
        if found != expected:
            dims = "x".join(map(str, tensor.dims)) or "scalar"
            what = f"{held.where} ({dims}) holds {found:,} bytes, its dims say {expected:,}"
            raise RefusedModel(what, cure="the file is damaged or forged")
        return
    typed = (tensor.float_data, tensor.int32_data, tensor.int64_data)
    found = sum(map(len, typed)) + len(tensor.double_data) + len(tensor.uint64_data)
    count = elements(tensor) * (2 if tensor.data_type in _COMPLEX else 1)
    packed = -(-count * _BITS[tensor.data_type] // 8)  # 2, 4 and 6 bit types: bytes, one a number
    if found != count and not (_BITS[tensor.data_type] < 8 and found == packed):
        raise RefusedModel(
            f"{held.where} holds {found:,} values, its dims say {count:,}",
            cure="the file is damaged or forged",
        )


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    yield from _subgraphs(graph.node)


def _subgraphs(nodes: Iterable[NodeProto]) -> Iterator[GraphProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for graph in attribute.graphs:
                yield from _graphs(graph)


def _attribute_tensors(nodes: Iterable[NodeProto]) -> Iterator[Held]:
    for index, node in enumerate(nodes):
        for attribute in node.attribute:
            yield from _in_attribute(attribute, node_label(node, index))


def _in_attribute(attribute: AttributeProto, where: str) -> Iterator[Held]:
    if attribute.HasField("t"):
        yield Held(attribute.t, where)
    for tensor in attribute.tensors:
        yield Held(tensor, where)
    sparse_tensors = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
    for sparse in (*sparse_tensors, *attribute.sparse_tensors):
        yield from (Held(sparse.values, where), Held(sparse.indices, where))
