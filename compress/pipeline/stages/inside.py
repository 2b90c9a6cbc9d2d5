"""Preprocessing inside the shipped files, and that they answer as the task's own does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compress.errors import ExportError
from compress.pipeline.context import Context
from compress.recipe.nodes import ImageFolderTask
from compress.tasks.class_folders import IMAGES, list_files
from compress.tasks.image_decode import decode_at_own_size, decode_image
from exporters.artifact import open_artifact
from exporters.parity import check_parity
from exporters.preprocess import put_inside
from exporters.run import run_batches
from exporters.session import open_session
from exporters.values import Parity

INSIDE_FILE = "preprocessing.json"
OWN_SIZE_IMAGES = 32
Own = Callable[[NDArray[np.generic]], NDArray[np.float32]]
_KNOWN = 4096  # training samples among which images of the folder are found again


@dataclass(frozen=True, slots=True, kw_only=True)
class Resizing:
    """Images of the folder at their own size. pixel_levels: the largest difference, of 255, from
    what the task makes of them; of scores likewise; top1_agreement in [0, 1]."""

    images: int
    pixel_levels: int
    max_abs_diff: float
    top1_agreement: float


def raw_dtype(context: Context) -> Literal["uint8", "float32"]:
    """The type of a task's rows."""
    return "uint8" if context.task.train.inputs.dtype == np.uint8 else "float32"


def resized_to(context: Context) -> tuple[int, int] | None:
    """(height, width) that the file resizes to; None where the task resizes nothing."""
    node = context.recipe.task
    return (node.size, node.size) if isinstance(node, ImageFolderTask) else None


def write_inside(context: Context, source: Path, target: Path) -> None:
    """`source` with the task's preprocessing before it."""
    put_inside(
        open_artifact(source),
        path=target,
        dtype=raw_dtype(context),
        scale=context.task.scale,
        size=resized_to(context),
    )


def inside_facts(context: Context, source: Path, made: Path) -> dict[str, object]:
    """How `made`, fed raw samples, follows `source`, fed what the task makes of them.

    Raises ExportError where scores differ by more than the recipe's `export` allows, or pixels by
    more than one level of 255.
    """
    task, settings = context.task, context.recipe.export
    rows = task.validation.inputs[: settings.samples]
    session = open_session(source)

    def own(raw: NDArray[np.generic]) -> NDArray[np.float32]:
        answered: NDArray[np.float32] = run_batches(session, raw, batch=64, collate=task.collate)
        return answered

    parity = check_parity(
        own, open_artifact(made), inputs=rows, atol=settings.atol, rtol=settings.rtol
    )
    if not parity.passed:
        raise ExportError(
            f"with its preprocessing inside the file answers otherwise: by up to "
            f"{parity.max_abs_diff:.3g} on {parity.samples} samples",
            where="ship",
            cure="write `preprocess: outside`",
        )
    size = resized_to(context)
    resizing = None if size is None else _resizing(context, own, made)
    facts: dict[str, object] = {
        "parity": asdict(parity),
        "resizing": resizing and asdict(resizing),
    }
    return facts if size is None else {**facts, "resizes": True}


def inside_note(facts: dict[str, object]) -> str:
    """For the report."""
    parity = facts["parity"]
    assert isinstance(parity, dict)
    found = Parity(**parity)
    text = (
        f"The files take raw samples: their preprocessing is inside. Against the task's own their "
        f"scores differ by at most {found.max_abs_diff:.2g} on {found.samples} samples, at batches "
        f"of {', '.join(map(str, found.batches))}."
    )
    resizing = facts["resizing"]
    if not isinstance(resizing, dict):
        if "resizes" not in facts:
            return text
        return (
            f"{text} That they resize as the task does was not checked: no image of the folder is "
            f"among the first {_KNOWN:,} training samples."
        )
    told = Resizing(**resizing)
    return (
        f"{text} On {told.images} images at their own size pixels differ by at most "
        f"{told.pixel_levels} of 255 and scores by {told.max_abs_diff:.2g}, with the same class "
        f"for {100 * told.top1_agreement:.0f} %."
    )


def _resizing(context: Context, own: Own, made: Path) -> Resizing | None:
    """None where no image of the folder is found among the training samples."""
    node, task = context.recipe.task, context.task
    assert isinstance(node, ImageFolderTask)
    pairs = _images(context, node)
    if not pairs:
        return None
    levels, largest, agreed = 0, 0.0, 0
    session = open_session(made)
    with tempfile.TemporaryDirectory(prefix="distil-inside-") as scratch:
        pixels = open_session(_pixels_alone(context, Path(scratch)))
        for raw, resized in pairs:
            seen = run_batches(pixels, raw[None], batch=1)[0] / task.scale
            levels = max(levels, int(np.abs(np.rint(seen) - resized.astype(np.float64)).max()))
            expected, found = own(resized[None])[0], run_batches(session, raw[None], batch=1)[0]
            largest = max(largest, float(np.abs(expected - found).max()))
            agreed += int(expected.argmax() == found.argmax())
    if levels > 1:
        raise ExportError(
            f"the file resizes images otherwise than the task, by up to {levels} levels of 255",
            where="ship",
            cure="write `preprocess: outside`",
        )
    return Resizing(
        images=len(pairs),
        pixel_levels=levels,
        max_abs_diff=largest,
        top1_agreement=agreed / len(pairs),
    )


def _images(
    context: Context, node: ImageFolderTask
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Training images at their own size, and as the task has them. No test image is looked at."""
    known = {row.tobytes() for row in context.task.train.inputs[:_KNOWN]}
    found = []
    for file in list_files(context.folder / node.data, IMAGES).files:
        if file.split == "test":
            continue
        data = file.path.read_bytes()
        resized = decode_image(data, size=node.size, channels=node.channels, where=file.name)
        if resized.tobytes() in known:
            raw = decode_at_own_size(data, channels=node.channels, where=file.name)
            found.append((raw, resized))
        if len(found) == OWN_SIZE_IMAGES:
            break
    return found


def _pixels_alone(context: Context, folder: Path) -> Path:
    """A file that resizes and scales, and does nothing else."""
    import onnx
    from onnx import TensorProto, helper

    shape = ["batch", *context.task.train.inputs.shape[1:]]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["seen"])],
        "pixels",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(
        helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "identity.onnx"
    )
    write_inside(context, folder / "identity.onnx", folder / "pixels.onnx")
    return folder / "pixels.onnx"
