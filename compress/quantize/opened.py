"""A float file, opened to be rewritten, and the int8 file written out again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compress.errors import DistilError, InputError
from compress.quantize.compact import compact
from compress.quantize.folded import fold
from compress.quantize.masks import deepen
from compress.quantize.pooled import pool
from exporters.artifact import open_artifact
from exporters.atomic import atomic_path
from exporters.contain import is_external
from exporters.tensors import expected_bytes, stored_tensors
from exporters.values import OnnxArtifact

if TYPE_CHECKING:
    from onnx import ModelProto

_PER_CHANNEL_OPSET = 13  # DequantizeLinear has no axis before
_UNLISTED_IR = 4  # initializers had to be inputs before
_LARGEST = 2**31 - 2**24  # protobuf's limit of a message, and room for what observes the network


def inferred(artifact: OnnxArtifact, scratch: Path) -> ModelProto:
    """A copy with the type of every tensor, every node named, the weights inside, as initializers,
    operators under the names that have integer kernels, and masks that are zeros behind softmax.

    InputError for a file that isn't float32, too old for a scale per channel, or larger than 2 GiB
    with the data beside it: every step here hands the network on as one message of protobuf.
    """
    import onnx

    where = str(artifact.path)
    if artifact.precision != "float32":
        raise InputError(f"is {artifact.precision}, not float32", where=where)
    if artifact.opset < _PER_CHANNEL_OPSET:
        raise InputError(
            f"has opset {artifact.opset}, too old for a scale per channel",
            where=where,
            cure=f"export it with opset {_PER_CHANNEL_OPSET} or higher",
        )
    source, typed = scratch / "source.onnx", scratch / "inferred.onnx"
    model = onnx.load(artifact.path, load_external_data=False)
    _check_size(model, where)
    onnx.load_external_data_for_model(model, str(artifact.path.parent))
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"
    _unlist(model)
    fold(model)
    onnx.save(model, source)
    onnx.shape_inference.infer_shapes_path(str(source), str(typed))
    found = onnx.load(typed)
    pool(found)
    deepen(found)
    return found


def _check_size(model: ModelProto, where: str) -> None:
    """By what tensors ask for, before any is read: several may share one place of a file."""
    beside = sum(expected_bytes(held) for held in stored_tensors(model) if is_external(held))
    if (total := model.ByteSize() + beside) > _LARGEST:
        raise InputError(
            f"has {total:,} bytes with the data beside it; files of up to {_LARGEST:,} bytes, "
            "just below 2 GiB, are quantized",
            where=where,
            cure="ship the float file, or quantize it with a tool that keeps data beside its files",
        )


def _unlist(model: ModelProto) -> None:
    """Weights are no inputs, as before IR version 4: one that is rounded would have to be fed."""
    stored = {tensor.name for tensor in model.graph.initializer}
    for value in [one for one in model.graph.input if one.name in stored]:
        model.graph.input.remove(value)
    model.ir_version = max(model.ir_version, _UNLISTED_IR)


def nothing_to_round(artifact: OnnxArtifact) -> DistilError:
    """The error for a model whose operators all stay as they are."""
    return DistilError(
        "no operator of the model has an int8 form here",
        where=str(artifact.path),
        cure="ship the float file (`quantize: {kind: none}`)",
    )


def write_model(model: ModelProto, path: Path) -> OnnxArtifact:
    """Compact it, and write it whole or not at all; an earlier file stays until then."""
    compact(model)
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        made = open_artifact(temporary)
    return replace(made, path=Path(os.path.abspath(path)))
