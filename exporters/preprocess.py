"""Normalisation and resizing inside an ONNX file: raw samples in, the answers of before out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from exporters.artifact import open_artifact
from exporters.atomic import atomic_path
from exporters.errors import ExportError
from exporters.values import OnnxArtifact

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

RAW = "distil.takes"  # the key in the file's own metadata, by which tools know what to feed
_SAMPLES = "raw samples"
_ANTIALIAS_OPSET = 18  # of Resize
_NAME = "distil_preprocess"


def put_inside(
    artifact: OnnxArtifact,
    *,
    path: str | os.PathLike[str],
    dtype: Literal["uint8", "float32"],
    scale: float,
    size: Sequence[int] | None = None,
) -> OnnxArtifact:
    """Write artifact's network behind what makes its input of raw samples; same input name.

    dtype: of raw samples. scale: what they are multiplied by, as a division by 1 / scale in
    float32, bit for bit what a task does. size: (height, width) to which images (n, channels, any
    height, any width) in uint8 are resized first, bilinear with antialiasing as Pillow does it;
    None: only samples of the network's own shape are taken.

    Raises ExportError for a network of several inputs or one that takes no float32.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if len(artifact.inputs) != 1 or artifact.inputs[0].dtype != "float32":
        found = ", ".join(f"{spec.name} ({spec.dtype})" for spec in artifact.inputs)
        raise ExportError(
            f"takes {found}; preprocessing is put before one float32 input",
            where=str(artifact.path),
            cure="write `preprocess: outside`",
        )
    model = onnx.load(artifact.path)
    graph, name = model.graph, artifact.inputs[0].name
    if size is not None and artifact.opset < _ANTIALIAS_OPSET:
        model = _raised(model, artifact.path)
        graph = model.graph
    inner = f"{_NAME}_network"
    for node in graph.node:
        for place, given in enumerate(node.input):
            if given == name:
                node.input[place] = inner
    kind = TensorProto.UINT8 if dtype == "uint8" else TensorProto.FLOAT
    shape: list[int | str | None] = list(artifact.inputs[0].shape)
    nodes, stored, source = [], [], name
    if size is not None:
        shape[2:] = ["height", "width"]
        stored.append(numpy_helper.from_array(np.asarray(size, dtype=np.int64), f"{_NAME}_size"))
        nodes.append(
            helper.make_node(
                "Resize",
                [name, "", "", f"{_NAME}_size"],
                [f"{_NAME}_resized"],
                mode="linear",
                antialias=1,
                axes=[2, 3],
                coordinate_transformation_mode="half_pixel",
                exclude_outside=1,
            )
        )
        source = f"{_NAME}_resized"
    if dtype != "float32":
        nodes.append(
            helper.make_node("Cast", [source], [f"{_NAME}_float"], to=int(TensorProto.FLOAT))
        )
        source = f"{_NAME}_float"
    divisor = np.float32(1.0 / scale)
    stored.append(numpy_helper.from_array(np.asarray(divisor), f"{_NAME}_divisor"))
    nodes.append(helper.make_node("Div", [source, f"{_NAME}_divisor"], [inner]))
    for index, node in enumerate(nodes):
        graph.node.insert(index, node)
    graph.initializer.extend(stored)
    graph.ClearField("value_info")
    for place, value in enumerate(graph.input):
        if value.name == name:
            graph.input[place].CopyFrom(helper.make_tensor_value_info(name, kind, shape))
    note = model.metadata_props.add()
    note.key, note.value = RAW, _SAMPLES
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        made = open_artifact(temporary)
    return replace(made, path=Path(os.path.abspath(path)))


def takes_raw_samples(session: InferenceSession) -> bool:
    """Whether the session's file has its preprocessing inside."""
    return bool(session.get_modelmeta().custom_metadata_map.get(RAW) == _SAMPLES)


def file_takes_raw_samples(path: Path) -> bool:
    """The same of a file."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    return any(entry.key == RAW and entry.value == _SAMPLES for entry in model.metadata_props)


def _raised(model: ModelProto, path: Path) -> ModelProto:
    from onnx import version_converter

    try:
        return version_converter.convert_version(model, _ANTIALIAS_OPSET)
    except Exception as exc:  # the converter raises RuntimeError, and others for odd graphs
        raise ExportError(
            f"antialiasing needs opset {_ANTIALIAS_OPSET}, and the file can't be raised to it",
            where=str(path),
            cure=f"export it with opset {_ANTIALIAS_OPSET} or higher",
        ) from exc
