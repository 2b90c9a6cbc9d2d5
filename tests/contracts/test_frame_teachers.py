"""A recurrent teacher that answers every frame of streams of any length: checked, stored, learnt
from, exported and timed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from recurrent_toy import Recurrent, Streams, leaky_teacher, stream_data
from torch import Tensor, nn

from benchmarks import measure
from benchmarks.settings import BenchSettings
from compress import distill
from compress.distill.feed import TrainingFeed
from compress.distill.objective import build_objective
from compress.distill.settings import Settings
from compress.distill.teaching import OnlineTeacher
from compress.distill.trainer import train
from compress.errors import InputError
from compress.recipe.nodes import KdLoss, PythonTask
from compress.tasks import StreamData, Task, build_task
from compress.tasks.frames import frame_counts
from compress.tasks.labelled import labelled_rows
from compress.tasks.streams import stream_task
from compress.tasks.views import as_inputs
from compress.teachers.check import check_teacher
from compress.teachers.modules import module_teacher
from compress.teachers.outputs import (
    differing_rows,
    plain_answers,
    plain_outputs,
    store_view,
    view_answers,
)
from compress.teachers.stored import Form, open_outputs
from compress.teachers.teacher import Teacher
from exporters.events import Event
from exporters.export import export
from exporters.parity import check_parity
from tests.benchmarks.conftest import HURRIED

LEARNING = Settings(
    epochs=3,
    learning_rate=0.05,
    weight_decay=0.0,
    warmup=0.3,
    average=0.0,
    clip=None,
    seed=0,
    checkpoint_every_s=1e9,
    optimizer="adamw",
)


@pytest.fixture(scope="module")
def task() -> Task:
    return stream_task(stream_data())


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return module_teacher(leaky_teacher(), name="leaky", digest="0" * 64)


def test_it_is_checked_and_right_on_every_frame(teacher: Teacher, task: Task) -> None:
    assert check_teacher(teacher, task) > 0.999
    assert task.width == 3
    assert labelled_rows(task.train).tolist() == list(range(120))
    frames = frame_counts(task.validation.inputs)
    assert plain_outputs(teacher, task, task.validation).shape == (frames.sum(), 3)


def test_frames_have_the_same_answers_in_any_batch_and_order(teacher: Teacher, task: Task) -> None:
    rows = np.random.default_rng(0).permutation(40)
    together = plain_answers(teacher, task, task.validation, rows)
    alone = [plain_answers(teacher, task, task.validation, rows[at : at + 1]) for at in range(40)]
    np.testing.assert_allclose(np.concatenate(alone), together, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", [Form(), Form(dtype="float16"), Form(k=2)])
def test_its_outputs_are_stored_without_padding(
    form: Form, teacher: Teacher, task: Task, tmp_path: Path
) -> None:
    store_view(teacher, task, path=tmp_path / "view", seed=0, view=0, form=form)
    stored = open_outputs(tmp_path / "view", samples=120, classes=3)
    counts = frame_counts(task.train.inputs)
    assert len(stored) == 120
    assert len(stored.arrays["values"]) == counts.sum()
    rows = np.array([119, 0, 17])
    found = stored[rows]
    assert found.shape == (3, counts[rows].max(), 3)
    expected = teacher.answer(*as_inputs(task, task.train.inputs[rows]))
    for one, due, count in zip(found, expected, counts[rows], strict=True):
        assert (one[:count].argmax(axis=1) == due[:count].argmax(axis=1)).all()
        assert (one[count:] == 0).all()
        if form == Form():
            np.testing.assert_allclose(one[:count], due[:count], rtol=1e-5, atol=1e-5)
    now = partial(view_answers, teacher, task, seed=0, view=0)
    assert differing_rows(stored, now, task, form=form).size == 0
    other = module_teacher(leaky_teacher(kept=0.5), name="other", digest="1" * 64)
    now = partial(view_answers, other, task, seed=0, view=0)
    assert differing_rows(stored, now, task, form=form).size > 32
    with pytest.raises(InputError, match="119 samples"):
        open_outputs(tmp_path / "view", samples=119, classes=3)


def test_batches_bring_stored_outputs_targets_and_mask_of_equal_lengths(
    teacher: Teacher, task: Task, tmp_path: Path
) -> None:
    store_view(teacher, task, path=tmp_path / "view", seed=0, view=0)
    stored = open_outputs(tmp_path / "view", samples=120, classes=3)
    feed = TrainingFeed(task=task, batch=16, seed=0, teacher_outputs=[stored])
    for batch in feed.batches(0):
        assert batch.by_frame
        assert batch.teacher is not None
        assert batch.mask is not None
        assert batch.target.shape == batch.mask.shape == batch.teacher.shape[:2]
        real = batch.mask.bool()
        assert (batch.target[~real] == -100).all()
        assert (batch.teacher.argmax(2) == batch.target)[real].float().mean() > 0.999


def _learnt(**settings: object) -> tuple[nn.Module, tuple[float, ...]]:
    torch.manual_seed(0)
    given = {"batch": 20, "learning_rate": 0.05, "optimizer": "adamw", "average": 0.5}
    trained = distill(
        leaky_teacher(),
        Recurrent(6),
        data=stream_data(),
        loss={"kind": "kd", "weight": 1, "temperature": 1},
        settings=given | settings,
    )
    return trained.module, tuple(epoch.validation_accuracy for epoch in trained.epochs)


@pytest.fixture(scope="module")
def student() -> nn.Module:
    module, accuracies = _learnt(epochs=10)
    assert accuracies[-1] > 0.85
    assert accuracies[-1] > accuracies[0]
    return module


def test_a_batch_in_parts_learns_what_the_whole_batch_does() -> None:
    """Frames weigh alike, in whatever part of a batch their stream is."""
    whole, _ = _learnt(epochs=1)
    parts, _ = _learnt(epochs=1, accumulate=3)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_stored_frames_teach_what_the_teacher_in_the_loop_does(
    teacher: Teacher, task: Task, tmp_path: Path
) -> None:
    other = module_teacher(leaky_teacher(kept=0.2), name="other", digest="1" * 64)
    store_view(teacher, task, path=tmp_path / "view", seed=0, view=0)
    store_view(other, task, path=tmp_path / "other", seed=0, view=0)

    def losses(stored: str | None) -> list[float]:
        torch.manual_seed(0)
        views = [open_outputs(tmp_path / stored, samples=120, classes=3)] if stored else None
        outcome = train(
            Recurrent(6),
            feed=TrainingFeed(task=task, batch=20, seed=0, teacher_outputs=views),
            objective=build_objective(KdLoss(kind="kd", weight=1.0, temperature=1.0)),
            settings=LEARNING,
            accelerator=Accelerator(cpu=True),
            teacher=None if stored else OnlineTeacher(network=leaky_teacher()),
        )
        return [epoch.train_loss for epoch in outcome.epochs]

    online = losses(None)
    assert losses("view") == pytest.approx(online, rel=1e-4)
    assert online[-1] < 0.8 * online[0]
    assert losses("other") != pytest.approx(online, rel=0.05)


def _exported_and_timed(
    module: nn.Module, task: Task, path: Path, *, streams: int, settings: BenchSettings
) -> list[int]:
    """Checks the file on so many streams of validation; the batches that it was timed at."""
    rows = task.validation.inputs[:streams]
    artifact = export(
        module,
        as_inputs(task, rows[:2]),
        path=path,
        input_names=task.input_names,
        open_axes=task.open_axes,
    )

    def reference(given: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(*as_inputs(task, given)).numpy()

    parity = check_parity(
        reference,
        artifact,
        inputs=rows,
        collate=task.collate,
        keep=task.real,
        atol=1e-4,
        rtol=1e-4,
    )
    assert parity.passed, parity
    measured = measure(
        {"m": artifact.path},
        inputs=task.collate(rows[:4]),
        settings=settings,
        seed=0,
        pace=HURRIED,
    )
    (found,) = measured.measurements
    assert all(cell.latency.p50_ms > 0 for cell in found.cells)
    return [cell.setting.batch for cell in found.cells]


@pytest.mark.slow  # the exporter takes 20 s of CPU for a GRU
def test_what_is_learnt_is_exported_for_streams_of_any_length(
    student: nn.Module, task: Task, tmp_path: Path
) -> None:
    settings = BenchSettings(batch=(1, 4), epochs=2)
    path = tmp_path / "student.onnx"
    assert _exported_and_timed(student, task, path, streams=40, settings=settings) == [1, 4]


def test_a_teacher_of_another_order_or_number_of_classes_is_refused_before_the_first_step() -> None:
    """In memory, where streams are trained on: recipes do not take them."""
    order, count, forgetful = leaky_teacher(), leaky_teacher(), leaky_teacher(kept=1e-3)
    with torch.no_grad():
        order.head.weight.copy_(order.head.weight[[1, 2, 0]].clone())
        forgetful.head.weight.neg_()
    count.head = nn.Linear(3, 4)
    for teacher, said in [
        (order, r"right on \d+\.\d % of validation, no better than naming the largest class"),
        (forgetful, "no better than naming the largest class"),
        (count, r"outputs of shape \(4,\) per sample, the task has 3 classes"),
        (Whole(), "depends on the others in its batch"),
    ]:
        with pytest.raises(InputError, match=said):
            distill(teacher, Recurrent(6), data=stream_data(), on_event=_no_step)


class Whole(nn.Module):
    """Reads padding: the mean over all frames of the batch's longest stream."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return features + features.mean(dim=1, keepdim=True)


def _no_step(event: Event) -> None:
    pytest.fail(f"{event.message} was told before the teacher was refused")


Change = Callable[[Streams], Streams]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: ([*s[0][:-1], s[0][-1][:, :2]], s[1]), r"stream 119: has the shape"),
        (lambda s: ([*s[0][:-1], s[0][-1][:-1]], s[1]), "stream 119: int64 labels of shape"),
        (lambda s: (s[0], s[1][:-1]), "119 rows of labels for 120 streams"),
        (lambda s: (s[0], [label + 2 for label in s[1]]), "labels are out of range"),
        (lambda s: ([part * np.nan for part in s[0]], s[1]), "holds NaN or infinity"),
        (lambda s: (s[0], [label * 0 - 100 for label in s[1]]), "or none has one"),
    ],
)
def test_streams_that_do_not_fit_are_refused(change: Change, said: str) -> None:
    data = stream_data()
    spoilt = StreamData(train=change(data.train), test=data.test, classes=data.classes)
    with pytest.raises(InputError, match=said):
        stream_task(spoilt)


def test_a_recipe_of_streams_is_refused_with_the_way_to_train_on_them(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from compress.tasks import StreamData\n"
        "def data():\n"
        "    return StreamData(train=([], []), test=([], []), classes=('a', 'b'))\n"
    )
    node = PythonTask(kind="python", target="own.py:data")
    with pytest.raises(InputError, match=r"from Python: compress\.distill"):
        build_task(node, folder=tmp_path, seed=0, cache=tmp_path)
