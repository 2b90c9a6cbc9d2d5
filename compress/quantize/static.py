"""Static int8: a float32 ONNX file and a stream of samples in, a smaller, faster file out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.errors import DistilError, InputError
from compress.quantize.compact import compact
from compress.quantize.operators import QUANTIZED_OPERATORS, heads, tail, thin_stems
from compress.quantize.scheme import Int8Scheme, scheme_for
from compress.quantize.silence import quiet_quantization
from exporters.artifact import open_artifact
from exporters.atomic import atomic_path
from exporters.events import Event
from exporters.values import OnnxArtifact, TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto
    from onnxruntime.quantization import TensorsData

_PER_CHANNEL_OPSET = 13  # DequantizeLinear has no axis before


def quantize_static(
    artifact: OnnxArtifact,
    *,
    path: Path,
    calibration: Iterable[NDArray[np.float32]],
    cpu_flags: Collection[str],
    on_event: Callable[[Event], None] | None = None,
) -> OnnxArtifact:
    """Quantize by observed ranges (QDQ, one scale per output channel), and write to `path`.

    calibration: batches as for inference, read once, one at a time; memory doesn't grow with
    their number. cpu_flags: of the machine that will run the file, see `scheme_for`. Equal inputs
    give equal bytes; artifact's file is left alone, an earlier file at `path` stays until the new
    one is whole. Raises InputError (wrong model or samples) or DistilError (nothing to quantize).
    """
    spec = _checked(artifact)
    tell = on_event or (lambda event: None)
    scheme = scheme_for(cpu_flags)
    tell(Event("start", "quantize", f"calibrating for {scheme.activations} activations"))
    with quiet_quantization(), tempfile.TemporaryDirectory(prefix="distil-quantize-") as scratch:
        model = _inferred(artifact, Path(scratch))
        ranges = _observe(model, calibration, spec=spec, scratch=Path(scratch), tell=tell)
        _quantize(model, ranges, scheme=scheme)
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise DistilError(
            "no operator of the model has an int8 form here",
            where=str(artifact.path),
            cure="ship the float file (`quantize: {kind: none}`)",
        )
    compact(model)
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        made = open_artifact(temporary)
    tell(Event("done", "quantize", f"{artifact.size_bytes:,} -> {made.size_bytes:,} bytes"))
    return replace(made, path=Path(os.path.abspath(path)))


def _checked(artifact: OnnxArtifact) -> TensorSpec:
    where = str(artifact.path)
    if artifact.precision != "float32":
        raise InputError(f"is {artifact.precision}, not float32", where=where)
    if artifact.opset < _PER_CHANNEL_OPSET:
        raise InputError(
            f"has opset {artifact.opset}, too old for a scale per channel",
            where=where,
            cure=f"export it with opset {_PER_CHANNEL_OPSET} or higher",
        )
    if len(artifact.inputs) != 1 or artifact.inputs[0].dtype != "float32":
        found = ", ".join(f"{spec.name} ({spec.dtype})" for spec in artifact.inputs)
        raise InputError(f"takes {found}; static int8 needs one float32 input", where=where)
    return artifact.inputs[0]


def _inferred(artifact: OnnxArtifact, scratch: Path) -> ModelProto:
    """A copy with the type of every tensor, every node named, and the weights inside."""
    import onnx

    source, inferred = scratch / "source.onnx", scratch / "inferred.onnx"
    model = onnx.load(artifact.path)
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"
    onnx.save(model, source)
    onnx.shape_inference.infer_shapes_path(str(source), str(inferred))
    return onnx.load(inferred)


def _observe(
    model: ModelProto,
    calibration: Iterable[NDArray[np.float32]],
    *,
    spec: TensorSpec,
    scratch: Path,
    tell: Callable[[Event], None],
) -> TensorsData:
    from compress.quantize.ranges import observe_ranges

    return observe_ranges(
        scratch / "inferred.onnx",
        calibration,
        spec=spec,
        scratch=scratch,
        on_batch=lambda samples: tell(
            Event("progress", "quantize", f"{samples} samples", None, {"samples": samples})
        ),
    )


def _quantize(
    model: ModelProto, ranges: TensorsData, *, scheme: Int8Scheme, nodes: Sequence[str] = ()
) -> None:
    """Put QuantizeLinear and DequantizeLinear around what is computed in int8, in place.

    nodes: names of those alone; by default all that have an int8 form.
    """
    from onnxruntime.quantization import QDQQuantizer, QuantType

    last = heads(model)
    # Positional: the library's keywords (weight_qType, ...) differ between its versions.
    quantizer = QDQQuantizer(
        model,
        True,  # per channel
        scheme.weight_bits == 7,
        QuantType.QInt8,
        QuantType.QUInt8 if scheme.activations == "uint8" else QuantType.QInt8,
        ranges,
        list(nodes),  # empty: all
        [*thin_stems(model), *tail(model)],
        list(QUANTIZED_OPERATORS),
        {"MatMulConstBOnly": True},
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
