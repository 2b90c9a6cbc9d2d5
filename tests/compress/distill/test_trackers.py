"""Curves of a training in TensorBoard and MLflow, read back by their own readers."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from compress.distill.launch import PATIENCE
from compress.distill.trackers import tracking
from compress.errors import DistilError, InputError, Interrupted, TrainingDiverged
from compress.recipe.nodes import Trackers
from exporters.events import Event

EPOCH = {
    "epoch": 0,
    "train_loss": 0.5,
    "validation_accuracy": 0.75,
    "validation_loss": 0.25,
    "learning_rate": 0.125,
    "seconds": 1.0,
}


def test_tensorboard_holds_the_curves(tmp_path: Path) -> None:
    with tracking(
        Trackers(tensorboard="curves"), folder=tmp_path, run="first", work=tmp_path
    ) as tell:
        tell(Event(kind="step", stage="train", message="", data={"at": 20, "loss": 2.0}))
        tell(Event(kind="epoch", stage="train", message="", data=EPOCH))
        tell(Event(kind="note", stage="train", message="nothing to draw"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(tmp_path / "curves" / "first")).Reload()
    assert [(e.step, e.value) for e in read.Scalars("step_loss")] == [(20, 2.0)]
    assert [(e.step, e.value) for e in read.Scalars("validation_accuracy")] == [(1, 0.75)]


def test_a_training_that_goes_on_is_one_curve_in_tensorboard(tmp_path: Path) -> None:
    for steps in ((20, 40, 60), (40, 60, 80)):  # stopped after 60, its checkpoint is of 20
        node = Trackers(tensorboard="curves")
        with tracking(node, folder=tmp_path, run="first", work=tmp_path) as tell:
            for at in steps:
                tell(Event(kind="step", stage="train", message="", data={"at": at, "loss": 2.0}))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(tmp_path / "curves" / "first")).Reload()
    assert [e.step for e in read.Scalars("step_loss")] == [20, 40, 60, 80]


# MLflow 3.17 declares its tables with a loader that SQLAlchemy 2.1 deprecates.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
@pytest.mark.slow  # 5 s: it makes the tables of its database
def test_mlflow_holds_the_curves(tmp_path: Path) -> None:
    node = Trackers(mlflow="sqlite:///curves.db")
    with tracking(node, folder=tmp_path, run="first", work=tmp_path) as tell:
        tell(Event(kind="step", stage="train", message="", data={"at": 20, "loss": 2.0}))
        tell(Event(kind="epoch", stage="train", message="", data=EPOCH))
        tell(Event(kind="note", stage="train", message="nothing to draw"))
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'curves.db'}")
    experiment = client.get_experiment_by_name("distil")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    losses = client.get_metric_history(run.info.run_id, "step_loss")
    assert [(m.step, m.value) for m in losses] == [(20, 2.0)]
    accuracies = client.get_metric_history(run.info.run_id, "validation_accuracy")
    assert [(m.step, m.value) for m in accuracies] == [(1, 0.75)]


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
@pytest.mark.slow  # 5 s, as above
def test_a_stopped_training_and_one_that_failed_are_told_apart_and_gone_on_with(
    tmp_path: Path,
) -> None:
    node = Trackers(mlflow="sqlite:///curves.db")
    seen = []
    for ended in (Interrupted("stopped", signal_number=15), TrainingDiverged("NaN"), None):
        with suppress(DistilError), tracking(node, folder=tmp_path, run="a", work=tmp_path) as tell:
            at = 20 * (len(seen) + 1)
            tell(Event(kind="step", stage="train", message="", data={"at": at, "loss": 2.0}))
            if ended is not None:
                raise ended
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'curves.db'}")
        experiment = client.get_experiment_by_name("distil")
        assert experiment is not None
        (run,) = client.search_runs([experiment.experiment_id])
        seen.append(run.info.status)
    assert seen == ["KILLED", "FAILED", "FINISHED"]
    losses = client.get_metric_history(run.info.run_id, "step_loss")
    assert [metric.step for metric in losses] == [20, 40, 60]


@pytest.mark.slow
def test_an_mlflow_server_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in PATIENCE.items():  # as launch() gives them to the job
        monkeypatch.setenv(name, value)
    node = Trackers(mlflow="http://127.0.0.1:9")
    with (
        pytest.raises(InputError, match="MLflow can't write there") as caught,
        tracking(node, folder=tmp_path, run="first", work=tmp_path),
    ):
        pass
    assert "distill.trackers.mlflow: http://127.0.0.1:9" in str(caught.value)


@pytest.mark.parametrize(
    ("node", "module"),
    [
        (Trackers(tensorboard="curves"), "torch.utils.tensorboard"),
        (Trackers(mlflow="sqlite:///curves.db"), "mlflow.tracking"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    node: Trackers, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "mlflow.entities", None)
    with (
        pytest.raises(InputError, match=r"pip install 'distil\[(tensorboard|mlflow)\]'"),
        tracking(node, folder=tmp_path, run="first", work=tmp_path),
    ):
        pass
    assert not list(tmp_path.iterdir())
