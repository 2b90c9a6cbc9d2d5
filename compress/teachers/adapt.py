"""One ONNX file that takes what the task gives and answers in logits, whatever made the teacher.

So everything behind it (stored outputs, quantization, timing, the judge) runs the same file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.teachers.binding import Binding, Layout, bind
from compress.teachers.scores import FLOOR
from exporters.artifact import open_artifact
from exporters.atomic import write_bytes
from exporters.errors import RefusedModel

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

_LARGEST = 2**31 - 1  # protobuf's limit for one message
_TYPES = {"float32": 1, "float16": 10, "float64": 11, "int64": 7, "int32": 6}
LOGITS = "logits"


def adapt(
    source: Path,
    target: Path,
    *,
    shapes: Mapping[str, tuple[int, ...]],
    dtypes: Mapping[str, str],
    layout: Layout = "auto",
    output: str | None = None,
    probabilities: bool = False,
) -> None:
    """Write source to target as a single file; its very bytes where nothing has to change.

    shapes, dtypes: of one sample, by the task's input names. Raises as open_artifact and bind do.
    """
    artifact = open_artifact(source)
    binding = bind(artifact, shapes, dtypes=dtypes, layout=layout, output=output)
    fitting = all(
        fit.change == "none" and fit.dtype == dtypes[name]
        for fit, name in zip(binding.inputs, shapes, strict=True)
    )
    alone = len(artifact.outputs) == 1 and artifact.outputs[0].dtype == "float32"
    if fitting and alone and not probabilities and artifact.size_bytes == source.stat().st_size:
        write_bytes(target, source.read_bytes())
        return
    import onnx

    # open_artifact has checked that what it names lies beside it.
    model = onnx.load(os.fspath(source), load_external_data=True)
    for fit, name in zip(binding.inputs, shapes, strict=True):
        if fit.change != "none" or fit.dtype != dtypes[name]:
            _front(model.graph, fit.name, name, fit.change, shapes[name], dtypes[name], fit.dtype)
    if not alone or probabilities:
        _back(model.graph, binding, probabilities)
    _import_standard(model)
    if model.ByteSize() > _LARGEST:
        what = "is larger than 2 GiB as a single file, which no ONNX file can be"
        raise RefusedModel(what, where=os.fspath(source), cure="store its weights in float16")
    write_bytes(target, model.SerializeToString(deterministic=True))
    open_artifact(target)


def _front(
    graph: GraphProto,
    old: str,
    name: str,
    change: str,
    shape: tuple[int, ...],
    given: str,
    wanted: str,
) -> None:
    from onnx import helper

    new = _free(graph, name)
    nodes, current = [], new
    steps: list[tuple[str, dict[str, Any]]] = []  # attributes of a node: numbers or lists
    if change == "nhwc":
        steps.append(("Transpose", {"perm": [0, 2, 3, 1]}))
    elif change == "flat":
        steps.append(("Flatten", {"axis": 1}))
    if given != wanted:
        steps.append(("Cast", {"to": _TYPES[wanted]}))
    for index, (kind, attributes) in enumerate(steps):
        following = old if index == len(steps) - 1 else _free(graph, f"{new}_{kind}")
        nodes.append(helper.make_node(kind, [current], [following], **attributes))
        current = following
    for index, node in enumerate(nodes):
        graph.node.insert(index, node)
    at = next(index for index, value in enumerate(graph.input) if value.name == old)
    info = helper.make_tensor_value_info(new, _TYPES[given], ["batch", *shape])
    graph.input[at].CopyFrom(info)


def _back(graph: GraphProto, binding: Binding, probabilities: bool) -> None:
    from onnx import helper

    new = _free(graph, LOGITS)
    classes = [value for value in graph.output if value.name == binding.output]
    current = _free(graph, f"{new}_float32")
    nodes = [helper.make_node("Cast", [binding.output], [current], to=_TYPES["float32"])]
    if probabilities:
        floor = _free(graph, f"{new}_floor")
        graph.initializer.append(helper.make_tensor(floor, _TYPES["float32"], [], [FLOOR]))
        above = _free(graph, f"{new}_above")
        nodes += [
            helper.make_node("Max", [current, floor], [above]),
            helper.make_node("Log", [above], [new]),
        ]
    else:
        nodes[0].output[0] = new
    graph.node.extend(nodes)
    dims = [
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None)
        for dim in classes[0].type.tensor_type.shape.dim
    ]
    shape = ["batch", *dims[1:]] if dims else None
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(new, _TYPES["float32"], shape))


def _import_standard(model: ModelProto) -> None:
    from onnx import helper

    if not any(entry.domain in ("", "ai.onnx") for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", 17))


def _free(graph: GraphProto, name: str) -> str:
    """The name, or one like it that no tensor of the graph has."""
    taken = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    taken |= {item for node in graph.node for item in (*node.input, *node.output)}
    while name in taken:
        name = f"{name}_"
    return name
