"""Means over all pixels under the name that has an integer kernel.

torch.onnx writes adaptive pooling to one pixel, and `mean((2, 3))`, as ReduceMean, which
onnxruntime computes in float only: behind integers of channels-last convolutions it takes as long
as a third of them (15 % of an EfficientNet-B0 in int8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

_FIRST = 2  # axis of pixels
_LEAST = 4  # axes: what has three may as well be tokens of a transformer, and their mean a norm's


def pool(model: ModelProto) -> None:
    """ReduceMean over all pixels of (n, channels, height, width, ...) becomes GlobalAveragePool, in
    place; without keepdims, and Flatten. model: with the type of every tensor."""
    from onnx import helper

    graph = model.graph
    typed = {value.name: value for value in (*graph.value_info, *graph.input)}
    taken = {name for node in graph.node for name in node.output}
    made: list[NodeProto] = []
    for node in graph.node:
        source = typed.get(node.input[0]) if node.op_type == "ReduceMean" else None
        if source is None or not _over_pixels(model, node, source):
            made.append(node)
            continue
        pooled = node.output[0]
        if not _keeps_axes(node):
            pooled = f"{node.output[0]}_pooled"
            while pooled in taken:
                pooled += "_"
            graph.value_info.append(_one_pixel(source, pooled))
        made.append(helper.make_node("GlobalAveragePool", node.input[:1], [pooled], node.name))
        if not _keeps_axes(node):
            made.append(helper.make_node("Flatten", [pooled], node.output, f"{node.name}_flat"))
    del graph.node[:]
    graph.node.extend(made)


def _over_pixels(model: ModelProto, node: NodeProto, source: ValueInfoProto) -> bool:
    """Whether it is the mean over every axis behind the channels."""
    from onnx import numpy_helper

    if not source.type.tensor_type.HasField("shape"):
        return False
    rank = len(source.type.tensor_type.shape.dim)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    axes: list[int] = []
    if len(node.input) > 1:  # from opset 18
        tensor = stored.get(node.input[1])
        axes = [] if tensor is None else numpy_helper.to_array(tensor).ravel().tolist()
    else:
        axes = [axis for one in node.attribute if one.name == "axes" for axis in one.ints]
    return rank >= _LEAST and sorted(axis % rank for axis in axes) == list(range(_FIRST, rank))


def _keeps_axes(node: NodeProto) -> bool:
    return all(one.i != 0 for one in node.attribute if one.name == "keepdims")


def _one_pixel(source: ValueInfoProto, name: str) -> ValueInfoProto:
    """The type of what is left of it."""
    value = type(source)()
    value.CopyFrom(source)
    value.name = name
    for dimension in value.type.tensor_type.shape.dim[_FIRST:]:
        dimension.Clear()
        dimension.dim_value = 1
    return value
