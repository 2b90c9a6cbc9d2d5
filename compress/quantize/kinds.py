"""The schemes of a recipe that are asked for by name: dynamic, row, weight-only, halves."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from compress.quantize.feeds import Batch
from compress.quantize.halves import store_halves
from compress.quantize.mixed import Calibrated, Plan, applied, rounded_alone
from compress.quantize.opened import inferred, nothing_to_round, write_model
from compress.quantize.products import products
from compress.quantize.scheme import scheme_for
from compress.quantize.silence import quiet_quantization
from compress.quantize.static import observed
from compress.quantize.weight_only import round_weights
from exporters.events import Event
from exporters.values import OnnxArtifact

if TYPE_CHECKING:
    from onnx import ModelProto

Kind = Literal["dynamic", "row", "weight-only", "float16", "bfloat16"]


def quantize_kind(
    artifact: OnnxArtifact,
    *,
    path: Path,
    kind: Kind,
    bits: Literal[4, 8] = 8,
    calibration: Iterable[Batch] = (),
    cpu_flags: Collection[str],
    device: str = "cpu",
    on_event: Callable[[Event], None] | None = None,
) -> OnnxArtifact:
    """Write artifact in one scheme. bits: of weight-only. calibration: smooths what `dynamic`
    and `row` round in a transformer; the others read none. Raises InputError or DistilError, as
    quantize_static."""
    tell = on_event or (lambda event: None)
    with quiet_quantization(), tempfile.TemporaryDirectory(prefix="distil-quantize-") as folder:
        scratch = Path(folder)
        model = inferred(artifact, scratch)
        done: Collection[str]
        if kind == "float16" or kind == "bfloat16":
            done = store_halves(model, kind)
        elif kind == "weight-only":
            done = round_weights(model, bits=bits)
        else:
            found, plan = as_they_come(
                artifact,
                model,
                calibration,
                form=kind,
                cpu_flags=cpu_flags,
                device=device,
                scratch=scratch,
                tell=tell,
            )
            done = tuple(plan.products)
            model = applied(found, plan)
        if not done:
            raise nothing_to_round(artifact)
        made = write_model(model, path)
    tell(Event("done", "quantize", f"{artifact.size_bytes:,} -> {made.size_bytes:,} bytes"))
    return made


def as_they_come(
    artifact: OnnxArtifact,
    model: ModelProto,
    calibration: Iterable[Batch],
    *,
    form: Literal["dynamic", "row"],
    cpu_flags: Collection[str],
    device: str = "cpu",
    scratch: Path,
    tell: Callable[[Event], None] = lambda event: None,
) -> tuple[Calibrated, Plan]:
    """All products with ranges as they come, and what smooths those of a transformer. model:
    artifact's, as inferred."""
    found = Calibrated(model=model, ranges={}, smoothed={}, scheme=scheme_for(cpu_flags, device))
    if rounded_alone(model):
        found = observed(
            artifact,
            calibration,
            cpu_flags=cpu_flags,
            device=device,
            scratch=scratch,
            tell=tell,
            model=model,
        )
    return found, Plan(products=dict.fromkeys((p.node for p in products(model)), form))
