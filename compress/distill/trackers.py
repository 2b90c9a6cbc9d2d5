"""Curves to TensorBoard, an extra: what the history holds, while it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compress.errors import InputError
from compress.recipe.nodes import Trackers
from exporters.events import Event

CURVES = ("train_loss", "validation_accuracy", "validation_loss", "learning_rate")
Write = Callable[[str, float, int], None]  # name of the curve, value, step


@contextmanager
def tracking(node: Trackers, *, folder: Path, run: str) -> Iterator[Callable[[Event], None]]:
    """What to call with each event of a training. folder: of the recipe; run: name of this one.

    Raises InputError when a tracker's package is missing.
    """
    writers: list[Write] = []
    closers: list[Callable[[], object]] = []
    if node.tensorboard is not None:
        write, close = _tensorboard(folder / node.tensorboard / run)
        writers.append(write)
        closers.append(close)

    def tell(event: Event) -> None:
        for name, value, step in _points(event):
            for write in writers:
                write(name, value, step)

    try:
        yield tell
    finally:
        for close in closers:
            close()


def _points(event: Event) -> Iterator[tuple[str, float, int]]:
    if event.kind == "step":
        yield "step_loss", float(event.data["loss"]), int(event.data["at"])
    if event.kind == "epoch":
        for name in CURVES:
            yield name, float(event.data[name]), int(event.data["epoch"]) + 1


def _tensorboard(folder: Path) -> tuple[Write, Callable[[], object]]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise _absent("tensorboard") from error
    # torch ships no types for it.
    writer: Any = SummaryWriter(str(folder))
    return writer.add_scalar, writer.close


def _absent(name: str) -> InputError:
    return InputError(
        f"the package {name} is not installed",
        where=f"distill.trackers.{name}",
        cure=f"run `pip install 'distil[{name}]'`, or remove the key",
    )
