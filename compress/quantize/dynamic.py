"""Dynamic int8, for transformers: weights in int8, activations rounded as they come."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from compress.errors import DistilError, InputError
from compress.quantize.compact import compact
from compress.quantize.scheme import scheme_for
from compress.quantize.silence import quiet_quantization
from exporters.artifact import open_artifact
from exporters.atomic import atomic_path
from exporters.events import Event
from exporters.values import OnnxArtifact

_OPERATORS = ("MatMul", "Gemm", "Gather")  # Gather: tables of embeddings, most of a small encoder


def quantize_dynamic(
    artifact: OnnxArtifact,
    *,
    path: Path,
    cpu_flags: Collection[str],
    on_event: Callable[[Event], None] | None = None,
) -> OnnxArtifact:
    """Quantize weights to signed int8, one scale per output channel, and write to `path`.

    Needs no samples. The range of an activation is that of its whole batch, padding included, so
    that an answer depends a little on its batch mates. cpu_flags: see `scheme_for`. Equal inputs
    give equal bytes. Raises InputError (not float32) or DistilError (nothing to quantize).
    """
    if artifact.precision != "float32":
        raise InputError(f"is {artifact.precision}, not float32", where=str(artifact.path))
    import onnx
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization import quantize_dynamic as library

    with quiet_quantization(), tempfile.TemporaryDirectory(prefix="distil-quantize-") as scratch:
        made = Path(scratch) / "int8.onnx"
        try:
            library(
                str(artifact.path),
                str(made),
                op_types_to_quantize=list(_OPERATORS),
                per_channel=True,
                reduce_range=scheme_for(cpu_flags).weight_bits == 7,
                weight_type=QuantType.QInt8,
                extra_options={"MatMulConstBOnly": True},
            )
        except (ValueError, TypeError, RuntimeError, KeyError, AssertionError) as exc:
            raise DistilError(
                f"onnxruntime can't quantize it: {exc}",
                where=str(artifact.path),
                cure="ship the float file (`quantize: {kind: none}`)",
            ) from exc
        model = onnx.load(made)
    kinds = {node.op_type for node in model.graph.node}
    if not kinds & {"MatMulInteger", "DequantizeLinear", "DynamicQuantizeLinear"}:
        raise DistilError(
            "no operator of the model has an int8 form here",
            where=str(artifact.path),
            cure="ship the float file (`quantize: {kind: none}`)",
        )
    compact(model)
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        found = open_artifact(temporary)
    if on_event is not None:
        sizes = f"{artifact.size_bytes:,} -> {found.size_bytes:,} bytes"
        on_event(Event("done", "quantize", sizes))
    return replace(found, path=Path(os.path.abspath(path)))
