"""A file in the scheme that a recipe asks for, whether its network was trained or not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from compress.pipeline.context import Context
from compress.pipeline.stage import OnEvent
from compress.quantize.feeds import Batch
from compress.quantize.kinds import quantize_kind
from compress.quantize.mixed import Plan
from compress.quantize.static import quantize_static
from compress.recipe.nodes import SchemeQuantize, StaticQuantize
from exporters.values import OnnxArtifact


def store_as(
    context: Context,
    node: StaticQuantize | SchemeQuantize,
    original: OnnxArtifact,
    *,
    path: Path,
    samples: Iterable[Batch],
    plan: Plan | None = None,
    on_event: OnEvent | None = None,
) -> None:
    """Write original to path in the scheme of node, for the device that is timed first.

    plan: what is computed in int8; None: all that has a static form. Raises as quantize_kind and
    quantize_static.
    """
    flags = tuple(context.machine.get("cpu_flags", "").split())
    device = context.recipe.bench.devices[0]
    if isinstance(node, SchemeQuantize):
        quantize_kind(
            original,
            path=path,
            kind=node.kind,
            bits=node.bits,
            calibration=samples,
            cpu_flags=flags,
            device=device,
            on_event=on_event,
        )
        return
    quantize_static(
        original,
        path=path,
        calibration=samples,
        method=node.calibration,
        cpu_flags=flags,
        device=device,
        plan=plan,
        on_event=on_event,
    )
