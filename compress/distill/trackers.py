"""Curves to TensorBoard or MLflow, extras: what the history holds, while it is made."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compress.errors import InputError, Interrupted
from compress.recipe.nodes import Trackers
from exporters.atomic import write_text
from exporters.events import Event

_LOG = logging.getLogger(__name__)
CURVES = ("train_loss", "validation_accuracy", "validation_loss", "learning_rate")
Point = tuple[str, float, int]  # name of the curve, value, step
Write = Callable[[Sequence[Point]], None]  # what one event tells
Close = Callable[[str], object]  # of how the training ended, in MLflow's words
FINISHED, KILLED, FAILED = "FINISHED", "KILLED", "FAILED"
_RUN = "mlflow-run"  # its id, for a training that goes on


@contextmanager
def tracking(
    node: Trackers, *, folder: Path, run: str, work: Path
) -> Iterator[Callable[[Event], None]]:
    """What to call with each event of a training. folder: of the recipe; run: name of this one;
    work: where its checkpoints are, so that a training which goes on is one run and one curve.

    Raises InputError when a tracker's package is missing or its server can't be reached.
    """
    writers: list[Write] = []
    closers: list[Close] = []
    if node.tensorboard is not None:
        write, close = _tensorboard(folder / node.tensorboard / run)
        writers.append(write)
        closers.append(close)
    if node.mlflow is not None:
        write, close = _mlflow(node.mlflow, folder=folder, run=run, kept=work / _RUN)
        writers.append(write)
        closers.append(close)

    def tell(event: Event) -> None:
        points = tuple(_points(event))
        if points:
            for write in writers:
                write(points)

    status = FAILED
    try:
        yield tell
        status = FINISHED
    except Interrupted:
        status = KILLED
        raise
    finally:
        for close in closers:
            close(status)


def _points(event: Event) -> Iterator[Point]:
    if event.kind == "step":
        yield "step_loss", float(event.data["loss"]), int(event.data["at"])
    if event.kind == "epoch":
        for name in CURVES:
            yield name, float(event.data[name]), int(event.data["epoch"]) + 1


def _tensorboard(folder: Path) -> tuple[Write, Close]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise _absent("tensorboard") from error
    opened: list[Any] = []  # torch ships no types for it

    def write(points: Sequence[Point]) -> None:
        if not opened:
            # What a stopped training told after its last checkpoint is told again from here on.
            opened.append(SummaryWriter(str(folder), purge_step=points[0][2]))
        for name, value, step in points:
            opened[0].add_scalar(name, value, step)

    def close(status: str) -> None:
        for writer in opened:
            writer.close()

    return write, close


def _mlflow(uri: str, *, folder: Path, run: str, kept: Path) -> tuple[Write, Close]:
    """A run of the experiment "distil". A server that fails later costs curves, not a training.
    kept: the file with its id, once there is one."""
    try:
        from mlflow.entities import Metric
        from mlflow.tracking import MlflowClient
    except ImportError as error:
        raise _absent("mlflow") from error
    local = uri.removeprefix("sqlite:///")
    if local != uri:
        uri = f"sqlite:///{folder / local}"
    try:
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name("distil")
        experiment = found.experiment_id if found else client.create_experiment("distil")
        run_id = _taken_up(client, kept)
        if run_id is None:
            run_id = client.create_run(experiment, run_name=run).info.run_id
            write_text(kept, run_id)
    except Exception as error:  # its stores raise what their libraries do
        what = f"MLflow can't write there: {' '.join(str(error).split())[:200]}"
        cure = "use the address of a running server, sqlite:///FILE, or remove the key"
        raise InputError(what, where=f"distill.trackers.mlflow: {uri}", cure=cure) from error
    failed: list[str] = []

    def attempt(what: Callable[[], object]) -> None:
        if failed:
            return
        try:
            what()
        except Exception as error:  # as above
            failed.append(str(error))
            _LOG.warning("MLflow gets no more curves of this training: %s", error)

    def write(points: Sequence[Point]) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in points]
        attempt(lambda: client.log_batch(run_id, metrics=metrics))

    return write, lambda status: attempt(lambda: client.set_terminated(run_id, status=status))


def _taken_up(client: Any, kept: Path) -> str | None:
    """The run of the same training before it was stopped; None where there is none, or it is gone
    from that server."""
    from mlflow.exceptions import MlflowException

    if not kept.is_file():
        return None
    run_id = kept.read_text().strip()
    try:
        client.update_run(run_id, status="RUNNING")
    except MlflowException:
        return None
    return run_id


def _absent(name: str) -> InputError:
    return InputError(
        f"the package {name} is not installed",
        where=f"distill.trackers.{name}",
        cure=f"run `pip install 'distil[{name}]'`, or remove the key",
    )
