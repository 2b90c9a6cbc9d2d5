"""Static int8: a float32 ONNX file and a stream of samples in, a smaller, faster file out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from compress.quantize.feeds import Batch
from compress.quantize.mixed import Calibrated, Plan, applied, calibrate, everything
from compress.quantize.opened import inferred, nothing_to_round, write_model
from compress.quantize.ranges import Method
from compress.quantize.scheme import scheme_for
from compress.quantize.silence import quiet_quantization
from exporters.events import Event
from exporters.values import OnnxArtifact

if TYPE_CHECKING:
    from onnx import ModelProto

ROUNDED = frozenset(
    {"QuantizeLinear", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "DynamicQuantizeLinear"}
)


def quantize_static(
    artifact: OnnxArtifact,
    *,
    path: Path,
    calibration: Iterable[Batch],
    cpu_flags: Collection[str],
    device: str = "cpu",
    method: Method = "minmax",
    plan: Plan | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> OnnxArtifact:
    """Quantize by observed ranges, one scale per output channel, and write to `path`.

    Convolutions and what lies between them become QDQ; the matrix products of a transformer are
    smoothed and rounded one by one. calibration: batches as for inference (an array, or arrays by
    input name), read once for a convolutional network by minmax, else several times; memory doesn't
    grow with their number. cpu_flags, device: of what will run the file, see `scheme_for`. plan:
    by default all that has a static form. Equal inputs give equal bytes; artifact's file is left
    alone. Raises InputError (wrong model or samples) or DistilError (nothing to quantize).
    """
    tell = on_event or (lambda event: None)
    scheme = scheme_for(cpu_flags, device)
    with quiet_quantization(), tempfile.TemporaryDirectory(prefix="distil-quantize-") as scratch:
        model = inferred(artifact, Path(scratch))
        tell(Event("start", "quantize", f"calibrating for {scheme.activations} activations"))
        found = observed(
            artifact, calibration, cpu_flags=cpu_flags, device=device, scratch=Path(scratch),
            method=method, tell=tell, model=model,
        )  # fmt: skip
        made = applied(found, everything(model) if plan is None else plan)
    if not any(node.op_type in ROUNDED for node in made.graph.node):
        raise nothing_to_round(artifact)
    written = write_model(made, path)
    tell(Event("done", "quantize", f"{artifact.size_bytes:,} -> {written.size_bytes:,} bytes"))
    return written


def observed(
    artifact: OnnxArtifact,
    calibration: Iterable[Batch],
    *,
    cpu_flags: Collection[str],
    device: str = "cpu",
    scratch: Path,
    method: Method = "minmax",
    tell: Callable[[Event], None] = lambda event: None,
    model: ModelProto | None = None,
) -> Calibrated:
    """Open a float file and calibrate it."""
    return calibrate(
        inferred(artifact, scratch) if model is None else model,
        calibration,
        inputs=artifact.inputs,
        scheme=scheme_for(cpu_flags, device),
        scratch=scratch,
        method=method,
        on_batch=lambda samples: tell(
            Event("progress", "quantize", f"{samples} samples", None, {"samples": samples})
        ),
    )
