"""A candidate before any training: its network, and its file in the scheme of the recipe."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from compress.pipeline.context import Context
from compress.pipeline.stages.quantizing import calibration_batches
from compress.quantize.kinds import quantize_kind
from compress.quantize.static import quantize_static
from compress.recipe.nodes import NoQuantize, SchemeQuantize
from compress.students.build import build_student
from exporters.artifact import open_artifact

CALIBRATION = 64  # samples: any ranges do for speed and size


def untrained(context: Context) -> nn.Module:
    """The recipe's student with its initial weights, in eval mode."""
    recipe = context.recipe
    student = recipe.student
    return build_student(student, folder=context.folder, seed=recipe.seed, task=context.task).eval()


def stored_untrained(context: Context, path: Path, work: Path) -> Path:
    """The float file in the recipe's scheme, written to `work`; itself where it stays in float."""
    node = context.recipe.quantize
    if isinstance(node, NoQuantize):
        return path
    flags = tuple(context.machine.get("cpu_flags", "").split())
    device = context.recipe.bench.devices[0]
    made, samples = work / "untrained.stored.onnx", calibration_batches(context, CALIBRATION)
    original = open_artifact(path)
    if isinstance(node, SchemeQuantize):
        quantize_kind(
            original,
            path=made,
            kind=node.kind,
            bits=node.bits,
            calibration=samples,
            cpu_flags=flags,
            device=device,
        )
    else:
        quantize_static(original, path=made, calibration=samples, cpu_flags=flags, device=device)
    return made
