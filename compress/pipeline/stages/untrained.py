"""A candidate before any training: its network, and its file in the scheme of the recipe."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from compress.pipeline.context import Context
from compress.pipeline.stages.quantizing import calibration_batches
from compress.pipeline.stages.storing import store_as
from compress.recipe.nodes import NoQuantize, SchemeQuantize, StaticQuantize
from compress.search.shapes import as_if_trained
from compress.students.build import build_student
from compress.tasks.views import as_inputs
from exporters.artifact import open_artifact
from exporters.export import export

CALIBRATION = 64  # samples: any ranges do for speed and size


def untrained(context: Context) -> nn.Module:
    """The recipe's student with its initial weights, in eval mode."""
    recipe = context.recipe
    student = recipe.student
    return build_student(student, folder=context.folder, seed=recipe.seed, task=context.task).eval()


def untrained_file(context: Context, work: Path) -> tuple[Path, nn.Module]:
    """The recipe's student with weights as a training might leave them, in the recipe's scheme,
    written to `work`; and its network."""
    module, task = as_if_trained(untrained(context)), context.task
    path = work / "untrained.onnx"
    export(
        module,
        as_inputs(task, task.train.inputs[:2]),
        path=path,
        opset=context.recipe.export.opset,
        input_names=task.input_names,
        open_axes=task.open_axes,
    )
    return stored_untrained(context, path, work), module


def stored_untrained(context: Context, path: Path, work: Path) -> Path:
    """The float file in the recipe's scheme, written to `work`; itself where it stays in float."""
    node = context.recipe.quantize
    if isinstance(node, NoQuantize):
        return path
    assert isinstance(node, StaticQuantize | SchemeQuantize)  # a search refuses trained rounding
    made = work / "untrained.stored.onnx"
    samples = calibration_batches(context, CALIBRATION)
    store_as(context, node, open_artifact(path), path=made, samples=samples)
    return made
