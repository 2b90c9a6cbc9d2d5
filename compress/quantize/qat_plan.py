"""What a static int8 file (QDQ) rounds, and which of its tensors a training may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.quantize.qat_given import refused

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Array = NDArray[Any]
# The inputs of an operator that are weights, where they are stored in the file.
_WEIGHTS: Mapping[str, tuple[int, ...]] = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (1, 2),
    "MatMul": (0, 1),
    "BatchNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "PRelu": (1,),
}
_BIAS = 2
_ROUNDED_TYPES = ("uint8", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Integers from low to high, less their zero point, times the tensor called `scale`.

    axis: of the values, where there is a scale for each of its entries; None: one for all.
    """

    scale: str
    low: int
    high: int
    axis: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operator. Absent inputs are ''."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A network of float operators and the places where it rounds.

    activations: name of a tensor of integers -> its grid; weights: name of a stored tensor of
    integers -> its grid; biases: name of a stored int32 tensor -> the grids of the input and the
    weight whose scales it has; floats: stored float weights; constants: everything else stored.
    """

    inputs: tuple[str, ...]
    output: str
    steps: tuple[Step, ...]
    stored: Mapping[str, Array] = field(repr=False)
    activations: Mapping[str, Grid]
    weights: Mapping[str, Grid]
    biases: Mapping[str, tuple[Grid, Grid]]
    floats: tuple[str, ...]

    @property
    def scales(self) -> tuple[str, ...]:
        """The scales that are trained, each once."""
        grids = (*self.activations.values(), *self.weights.values())
        return tuple(dict.fromkeys(grid.scale for grid in grids))

    @property
    def constants(self) -> tuple[str, ...]:
        """Stored tensors that stay as they are."""
        changing = {*self.weights, *self.biases, *self.floats, *self.scales}
        return tuple(name for name in self.stored if name not in changing)


def plan_of(model: ModelProto) -> Plan:
    """The plan of a QDQ file. Raises DistilError where it rounds in a way that can't be trained."""
    from onnx import numpy_helper

    if any(a.HasField("g") for node in model.graph.node for a in node.attribute):
        raise refused("the network has parts that are computed on a condition")
    graph = unshared(model).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    readers: dict[str, list[tuple[NodeProto, int]]] = {}
    for node in graph.node:
        for place, name in enumerate(node.input):
            readers.setdefault(name, []).append((node, place))
    activations: dict[str, Grid] = {}
    weights: dict[str, Grid] = {}
    steps: list[Step] = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            activations[node.output[0]] = _grid(node, stored)
        elif node.op_type == "DequantizeLinear" and node.input[0] in activations:
            if _grid(node, stored) != activations[node.input[0]]:
                raise refused(f"`{node.input[0]}` is rounded by one scale and read by another")
        elif node.op_type == "DequantizeLinear":
            if node.input[0] not in stored:
                raise refused(f"`{node.input[0]}` comes in integers")
            if stored[node.input[0]].dtype != np.int32:
                weights[node.input[0]] = _weight_grid(node, stored)
        steps.append(
            Step(
                kind=node.op_type,
                inputs=tuple(node.input),
                outputs=tuple(node.output),
                attributes=_attributes(node),
            )
        )
    grids = {**activations, **weights}
    return Plan(
        inputs=tuple(value.name for value in graph.input if value.name not in stored),
        output=graph.output[0].name,
        steps=tuple(steps),
        stored=stored,
        activations=activations,
        weights=weights,
        biases=_biases(graph.node, stored, grids, readers),
        floats=_floats(graph.node, stored),
    )


def unshared(model: ModelProto) -> ModelProto:
    """A copy in which each DequantizeLinear has stored integers of its own.

    Files keep equal tensors once; what is equal before a training is not after it.
    """
    made = type(model)()
    made.CopyFrom(model)
    stored = {tensor.name: tensor for tensor in made.graph.initializer}
    taken: set[str] = set()
    for node in made.graph.node:
        name = node.input[0] if node.op_type == "DequantizeLinear" else ""
        if name in taken and name in stored:
            copied = made.graph.initializer.add()
            copied.CopyFrom(stored[name])
            copied.name = node.input[0] = f"{name}.{len(taken)}"
        taken.add(node.input[0] if name else "")
    return made


def _attributes(node: NodeProto) -> dict[str, Any]:
    """As they are written; of a Split its number of parts too, which has no attribute before opset
    18."""
    from onnx import helper

    own = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {"num_outputs": len(node.output), **own} if node.op_type == "Split" else own


def _grid(node: NodeProto, stored: Mapping[str, Array]) -> Grid:
    """The grid of QuantizeLinear or DequantizeLinear around an activation."""
    from onnx import helper

    scale = stored.get(node.input[1])
    zero = stored.get(node.input[2]) if len(node.input) > 2 else np.zeros((), dtype=np.uint8)
    if scale is None or zero is None:
        raise refused("a scale is computed in the network")
    if scale.size != 1:
        raise refused(f"`{node.input[0]}` is rounded with {scale.size} scales")
    if zero.dtype.name not in _ROUNDED_TYPES:
        raise refused(f"`{node.input[0]}` is rounded to {zero.dtype}")
    if any(a.name == "block_size" and helper.get_attribute_value(a) for a in node.attribute):
        raise refused("it is quantized in blocks")
    limits, point = np.iinfo(zero.dtype), int(zero.reshape(()))
    return Grid(scale=node.input[1], low=int(limits.min) - point, high=int(limits.max) - point)


def _weight_grid(node: NodeProto, stored: Mapping[str, Array]) -> Grid:
    """Symmetric; 7 bits where the file uses no more, which is what its processor asks for."""
    from onnx import helper

    name, values, scale = node.input[0], stored[node.input[0]], stored.get(node.input[1])
    zero = stored.get(node.input[2]) if len(node.input) > 2 else np.zeros((), dtype=values.dtype)
    if values.dtype != np.int8 or scale is None or zero is None or np.any(zero):
        raise refused(f"the weight `{name}` is not signed and symmetric int8")
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if attributes.get("block_size"):
        raise refused("it is quantized in blocks")
    axis = int(attributes.get("axis", 1)) % max(1, values.ndim) if scale.size > 1 else None
    most = 64 if int(np.abs(values.astype(np.int16)).max(initial=0)) <= 64 else 127
    return Grid(scale=node.input[1], low=-most, high=most, axis=axis)


def _biases(
    nodes: Any,
    stored: Mapping[str, Array],
    grids: Mapping[str, Grid],
    readers: Mapping[str, list[tuple[NodeProto, int]]],
) -> dict[str, tuple[Grid, Grid]]:
    """The kernels take the scale of a bias for that of the input times that of the weight."""
    makers = {name: node for node in nodes for name in node.output}
    found: dict[str, tuple[Grid, Grid]] = {}
    for node in nodes:
        name = node.input[0] if node.input else ""
        if node.op_type != "DequantizeLinear" or name not in stored or name in grids:
            continue
        uses = readers.get(node.output[0], [])
        if len(uses) != 1 or uses[0][1] != _BIAS:
            raise refused(f"the bias `{name}` belongs to {len(uses)} operators")
        sources = [makers.get(source) for source in uses[0][0].input[:_BIAS]]
        behind = [source.input[0] for source in sources if source is not None]
        if len(behind) != _BIAS or any(source not in grids for source in behind):
            raise refused(f"the bias `{name}` is added to what is not rounded")
        pair = (grids[behind[0]], grids[behind[1]])
        if found.setdefault(name, pair) != pair:
            raise refused(f"the bias `{name}` is read by two scales")
    return found


def _floats(nodes: Any, stored: Mapping[str, Array]) -> tuple[str, ...]:
    """Weights that are stored as float: of thin stems and normalisations."""
    names = [
        node.input[place]
        for node in nodes
        for place in _WEIGHTS.get(node.op_type, ())
        if place < len(node.input)
    ]
    return tuple(
        dict.fromkeys(name for name in names if name in stored and stored[name].dtype == np.float32)
    )
