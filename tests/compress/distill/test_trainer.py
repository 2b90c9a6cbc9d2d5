"""The training loop on a small task: it learns, resumes to the bit, and stops when it must."""

from __future__ import annotations

import hashlib
import importlib.util
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from small_training import CountedFeed
from torch import Tensor, nn

from compress.distill.averaging import reestimate_batch_norm
from compress.distill.feed import TrainingFeed
from compress.distill.objective import build_objective
from compress.distill.trainer import Outcome, Settings, train
from compress.errors import Interrupted, TrainingDiverged
from compress.recipe.nodes import KdLoss, LabelsLoss, LossNode, PythonTask
from compress.tasks.batches import epoch_order
from compress.tasks.build import build_task
from compress.tasks.data import Task
from compress.tasks.views import Inputs

FOLDER = Path(__file__).parents[2] / "projects" / "shapes"
SETTINGS = Settings(
    epochs=3,
    learning_rate=0.05,
    weight_decay=5e-4,
    warmup=0.3,
    average=0.9,
    clip=1.0,
    seed=0,
    checkpoint_every_s=0.0,
)
LABELS = LabelsLoss(kind="labels", smoothing=0.1)


@pytest.fixture(scope="module")
def project() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shapes_project", FOLDER / "project.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    node = PythonTask.model_validate(
        {"kind": "python", "target": "project.py:data", "augment": {"crop": 1, "erase": 0.2}}
    )
    return build_task(node, folder=FOLDER, seed=0, cache=tmp_path_factory.mktemp("cache"))


def run(
    module: nn.Module,
    task: Task,
    *,
    loss: LossNode = LABELS,
    teacher: list[np.ndarray] | None = None,
    checkpoints: Path | None = None,
    stop_after: int | None = None,
    settings: Settings = SETTINGS,
) -> Outcome:
    feed = CountedFeed(task=task, batch=64, seed=0, teacher_outputs=teacher)
    return train(
        module,
        feed=feed,
        objective=build_objective(loss),
        settings=settings,
        accelerator=Accelerator(cpu=True),
        checkpoints=checkpoints,
        stop_requested=lambda: stop_after is not None and len(feed.taken) >= stop_after,
    )


def fresh(project: ModuleType, name: str = "student") -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = getattr(project, name)()
    return module


def bits(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def test_training_on_labels_learns_the_task(project: ModuleType, task: Task) -> None:
    settings = Settings(**{**_plain(SETTINGS), "epochs": 6})
    outcome = run(fresh(project, "teacher"), task, settings=settings)
    assert outcome.epochs[-1].validation_accuracy > 0.8
    assert outcome.epochs[-1].train_loss < outcome.epochs[0].train_loss
    assert not outcome.module.training


class SlowAnswers(nn.Module):
    """Takes its time only where it is judged."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            time.sleep(0.2)
        answers: Tensor = self.network(images)
        return answers


def test_an_epoch_tells_what_judging_it_took(project: ModuleType, task: Task) -> None:
    settings = Settings(**{**_plain(SETTINGS), "epochs": 2, "average": 0.0})
    began = time.monotonic()
    outcome = run(SlowAnswers(fresh(project, "student")), task, settings=settings)
    took = time.monotonic() - began
    assert all(one.judged_s >= 0.2 for one in outcome.epochs)
    assert sum(one.seconds + one.judged_s for one in outcome.epochs) <= took + 0.01


def test_with_weight_one_the_student_follows_the_teacher_and_not_the_labels(
    project: ModuleType, task: Task
) -> None:
    shifted = (task.train.labels + 1) % 3
    teacher = [8.0 * np.eye(3, dtype=np.float32)[shifted]]
    loss = KdLoss(kind="kd", temperature=2, weight=1.0)
    settings = Settings(**{**_plain(SETTINGS), "epochs": 6})
    outcome = run(fresh(project, "teacher"), task, loss=loss, teacher=teacher, settings=settings)
    with torch.no_grad():
        scores = outcome.module(torch.from_numpy(task.prepare(task.train.inputs))).numpy()
    assert (scores.argmax(1) == shifted).mean() > 0.8


@pytest.mark.parametrize("stops", [(1,), (5, 12), (3, 4, 20, 30)])
def test_a_resumed_training_equals_the_unbroken_one_to_the_bit(
    project: ModuleType, task: Task, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    unbroken = run(fresh(project), task)
    for stop in np.diff((0, *stops)):
        with pytest.raises(Interrupted, match="run the same command again"):
            run(fresh(project), task, checkpoints=tmp_path, stop_after=int(stop))
    resumed = run(fresh(project), task, checkpoints=tmp_path)
    assert bits(resumed.module) == bits(unbroken.module)
    assert resumed.resumed_from_steps == stops
    assert [e.train_loss for e in resumed.epochs] == [e.train_loss for e in unbroken.epochs]


def test_a_damaged_checkpoint_is_passed_over(
    project: ModuleType, task: Task, tmp_path: Path
) -> None:
    unbroken = run(fresh(project), task)
    with pytest.raises(Interrupted):
        run(fresh(project), task, checkpoints=tmp_path, stop_after=9)
    older, newest = sorted(tmp_path.glob("step-*.ckpt"))
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(bytes(data))
    resumed = run(fresh(project), task, checkpoints=tmp_path)
    assert resumed.resumed_from_steps == (int(older.stem.split("-")[1]),)
    assert bits(resumed.module) == bits(unbroken.module)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsFeed(TrainingFeed):
    """seen: an entry for each batch that statistics were made of."""

    seen: list[int] = field(default_factory=list)

    def statistics_batches(self) -> Iterator[Inputs]:
        for batch in TrainingFeed.statistics_batches(self):
            self.seen.append(len(batch[0]))
            yield batch


def test_a_stop_is_heard_between_the_batches_that_statistics_are_made_of(
    project: ModuleType, task: Task, tmp_path: Path
) -> None:
    unbroken = run(fresh(project), task)
    feed = StatisticsFeed(task=task, batch=64, seed=0)
    with pytest.raises(Interrupted):
        train(
            fresh(project),
            feed=feed,
            objective=build_objective(LABELS),
            settings=SETTINGS,
            accelerator=Accelerator(cpu=True),
            checkpoints=tmp_path,
            stop_requested=lambda: len(feed.seen) >= 2,
        )
    assert feed.seen == [192, 192]  # of 768
    resumed = run(fresh(project), task, checkpoints=tmp_path)
    assert resumed.resumed_from_steps == (12,)
    assert bits(resumed.module) == bits(unbroken.module)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 80, 500])
def test_a_truncated_checkpoint_is_passed_over(
    project: ModuleType, task: Task, tmp_path: Path, length: int
) -> None:
    with pytest.raises(Interrupted):
        run(fresh(project), task, checkpoints=tmp_path, stop_after=3)
    for path in tmp_path.glob("step-*.ckpt"):
        path.write_bytes(path.read_bytes()[:length])
    settings = Settings(**{**_plain(SETTINGS), "epochs": 1})
    assert (
        run(fresh(project), task, checkpoints=tmp_path, settings=settings).resumed_from_steps == ()
    )


def test_a_loss_that_is_not_finite_stops_with_the_step_and_keeps_the_checkpoint(
    project: ModuleType, task: Task, tmp_path: Path
) -> None:
    with pytest.raises(TrainingDiverged, match="at step 3 of 36") as caught:
        run(fresh(project, "exploding"), task, checkpoints=tmp_path)
    assert caught.value.exit_code == 4
    assert sorted(path.name for path in tmp_path.glob("*.ckpt")) == [
        "step-000000002.ckpt",
        "step-000000003.ckpt",
    ]


def test_two_processes_share_each_global_batch(task: Task) -> None:
    whole = next(TrainingFeed(task=task, batch=64, seed=3).batches(1))
    parts = [
        next(TrainingFeed(task=task, batch=64, seed=3, process=rank, processes=2).batches(1))
        for rank in (0, 1)
    ]
    assert torch.equal(whole.target[0::2], parts[0].target)
    assert torch.equal(whole.inputs[0][1::2], parts[1].inputs[0])


def test_every_sample_is_seen_at_most_once_in_an_epoch_and_orders_differ(task: Task) -> None:
    first, second = (epoch_order(768, seed=0, epoch=epoch) for epoch in (0, 1))
    assert sorted(first) == list(range(768))
    assert (first != second).mean() > 0.9


def test_epochs_go_round_the_stored_views(task: Task) -> None:
    views = [np.full((len(task.train), 3), value, np.float32) for value in (1.0, 2.0)]
    feed = TrainingFeed(task=task, batch=64, seed=0, teacher_outputs=views)
    seen = [float(next(feed.batches(epoch)).teacher.mean()) for epoch in range(4)]
    assert seen == [1.0, 2.0, 1.0, 2.0]


def test_statistics_of_averaged_weights_are_settled(project: ModuleType, task: Task) -> None:
    outcome = run(fresh(project), task)
    inputs = torch.from_numpy(task.prepare(task.validation.inputs))

    def accuracy() -> float:
        with torch.no_grad():
            return float(
                (outcome.module(inputs).argmax(1).numpy() == task.validation.labels).mean()
            )

    before = accuracy()
    feed = TrainingFeed(task=task, batch=64, seed=0)
    reestimate_batch_norm(outcome.module, feed.statistics_batches())
    assert abs(accuracy() - before) < 0.001


def _plain(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in Settings.__dataclass_fields__}
