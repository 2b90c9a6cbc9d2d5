"""Weights that a graph computes from constants alone, made constants, where that costs no bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto


def fold(model: ModelProto) -> None:
    """Constant, Identity and Transpose of a constant become initializers, in place.

    A transposed constant that others read too stays: two copies would be stored. Outputs of the
    graph and what branches and loops read keep their names.
    """
    # Other names first: how often a constant is read is known once each has one name.
    while _fold_once(model.graph, turns=False) or _fold_once(model.graph, turns=True):
        pass


def inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    """The branches of If, the bodies of Loop and Scan, and what is inside those."""
    for attribute in node.attribute:
        own = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
        for graph in own:
            yield graph
            for inside in graph.node:
                yield from inner_graphs(inside)


def inner_reads(model: ModelProto) -> set[str]:
    """Names that branches and loops read, those of their own among them."""
    return _read_inside(model.graph)


def _read_inside(graph: GraphProto) -> set[str]:
    return {
        name
        for node in graph.node
        for body in inner_graphs(node)
        for name in (*(n for one in body.node for n in one.input), *(o.name for o in body.output))
    }


def _fold_once(graph: GraphProto, *, turns: bool) -> bool:
    """One pass over transposed constants, or over the others; whether anything changed."""
    from onnx import numpy_helper

    stored = {tensor.name: tensor for tensor in graph.initializer}
    reads = Counter(name for node in graph.node for name in node.input)
    fixed = _read_inside(graph) | {value.name for value in graph.output}
    renamed: dict[str, str] = {}
    gone: list[int] = []
    for place, node in enumerate(graph.node):
        for at, name in enumerate(node.input):
            if name in renamed:
                node.input[at] = renamed[name]
        if node.domain not in {"", "ai.onnx"} or len(node.output) != 1:
            continue
        out, source = node.output[0], node.input[0] if node.input else ""
        if out in fixed:
            continue
        if node.op_type == "Constant" and (tensor := _value(node)) is not None:
            tensor.name = out
            graph.initializer.append(tensor)
        elif node.op_type == "Identity" and source in stored and not turns:
            renamed[out] = source
        elif (
            turns
            and node.op_type == "Transpose"
            and source in stored
            and source not in fixed
            and reads[source] == 1
        ):
            axes = next((tuple(a.ints) for a in node.attribute if a.name == "perm"), None)
            turned = np.ascontiguousarray(np.transpose(numpy_helper.to_array(stored[source]), axes))
            graph.initializer.append(numpy_helper.from_array(turned, out))
            graph.initializer.remove(stored[source])
        else:
            continue
        gone.append(place)
    for place in reversed(gone):
        del graph.node[place]
    return bool(gone)


def _value(node: NodeProto) -> TensorProto | None:
    from onnx import TensorProto as Tensor
    from onnx import numpy_helper

    for attribute in node.attribute:
        if attribute.name == "value":
            found: TensorProto = Tensor.FromString(attribute.t.SerializeToString())
            return found
        if attribute.name in {"value_float", "value_floats"}:
            numbers = attribute.floats if attribute.name.endswith("s") else attribute.f
            return numpy_helper.from_array(np.asarray(numbers, dtype=np.float32))
        if attribute.name in {"value_int", "value_ints"}:
            whole = attribute.ints if attribute.name.endswith("s") else attribute.i
            return numpy_helper.from_array(np.asarray(whole, dtype=np.int64))
    return None
