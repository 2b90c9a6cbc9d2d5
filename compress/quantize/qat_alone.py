"""The rounding that was trained, of some operators alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from compress.quantize.alone import PRODUCTS, Alone, Operator
from compress.quantize.qat import frozen_model
from compress.quantize.qat_network import QuantizedNetwork
from compress.quantize.qat_plan import Array

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def trained(network: QuantizedNetwork) -> Alone:
    """Of the file that `freeze` writes of it. An operator's rounding is that of what it reads: its
    activations, its weights, its bias. All others read the weights as they were trained, and
    activations that are cut to their range: a ReLU may be nothing else in such a file.
    """
    model = frozen_model(network)
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"
    exact, limits = network.exact(), network.limits()

    def made(nodes: Collection[str]) -> ModelProto:
        trial = type(model)()
        trial.CopyFrom(model)
        _exact_but(trial, nodes, exact, limits)
        return trial

    return Alone(operators=_operators(model, exact), made=made)


def _exact_but(
    model: ModelProto,
    nodes: Collection[str],
    exact: Mapping[str, Array],
    limits: Mapping[str, tuple[float, float]],
) -> None:
    """Let all nodes but these read what was not rounded, in place."""
    from onnx import helper, numpy_helper

    graph = model.graph
    before: dict[str, str] = {}  # a rounded tensor, integers or floats again -> the exact one
    found: list[NodeProto] = []
    stored: dict[str, Array] = {}
    for node in graph.node:
        source = node.input[0] if node.input else ""
        if node.op_type == "QuantizeLinear":
            cut = f"{node.output[0]}.exact"
            before[node.output[0]] = cut
            ends = [f"{cut}.low", f"{cut}.high"]
            stored |= dict(zip(ends, np.array(limits[node.output[0]], np.float32), strict=True))
            found.append(helper.make_node("Clip", [before.get(source, source), *ends], [cut]))
        elif node.op_type == "DequantizeLinear" and source in exact:
            before[node.output[0]] = f"{source}.exact"
            stored[f"{source}.exact"] = exact[source]
        elif node.op_type == "DequantizeLinear":
            before[node.output[0]] = before[source]
        elif node.name not in nodes:
            for place, name in enumerate(node.input):
                node.input[place] = before.get(name, name)
        found.append(type(node).FromString(node.SerializeToString()))
    del graph.node[:]
    graph.node.extend(found)
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()
    )


def _operators(model: ModelProto, exact: Mapping[str, Array]) -> tuple[Operator, ...]:
    weights = {
        node.output[0]: node.input[0]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in exact
    }
    found = []
    for node in model.graph.node:
        read = [weights[name] for name in node.input if name in weights]
        if node.op_type in PRODUCTS and read:
            weight = max(read, key=lambda name: exact[name].size)
            found.append(
                Operator(
                    node=node.name,
                    kind=node.op_type,
                    label=weight.removesuffix("_quantized"),
                    weights=exact[weight].size,
                )
            )
    return tuple(found)
