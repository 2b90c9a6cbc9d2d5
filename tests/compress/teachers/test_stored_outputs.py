"""Stored outputs: the teacher's very answers, in constant memory, found again after damage."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors import safe_open
from toy_task import Linear, dense, toy_task

from compress.distill.feed import TrainingFeed
from compress.errors import InputError
from compress.store.tensors_file import create_tensors, map_tensors
from compress.tasks.mixup import mixed_view, mixup_pairs
from compress.tasks.views import view_inputs
from compress.teachers.modules import module_teacher
from compress.teachers.outputs import differing_rows, store_view, view_answers
from compress.teachers.stored import Form, form_for, open_outputs, write_outputs
from compress.teachers.teacher import Teacher
from compress.teachers.top_k import lengthen, shorten

SAMPLES, CLASSES = 90, 40


def batches(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    return iter([order[at : at + size] for at in range(0, len(order), size)])


def write(
    path: Path, logits: NDArray[np.float32], form: Form, *, order: NDArray[np.int64] | None = None
) -> None:
    rows = np.arange(len(logits)) if order is None else order
    write_outputs(
        path, batches(rows, 16), lambda at: logits[at],
        samples=len(logits), classes=logits.shape[1], form=form, about="",
    )  # fmt: skip


def test_float32_is_exact_and_float16_exact_at_the_top(tmp_path: Path) -> None:
    logits = dense(SAMPLES, CLASSES, seed=1) * 10 + 300  # far from zero, where float16 is coarse
    write(tmp_path / "a", logits, Form())
    write(tmp_path / "b", logits, Form(dtype="float16"))
    rows = np.array([5, 88, 0])
    whole = open_outputs(tmp_path / "a", samples=SAMPLES, classes=CLASSES)[rows]
    np.testing.assert_array_equal(whole, logits[rows])
    half = open_outputs(tmp_path / "b", samples=SAMPLES, classes=CLASSES)[rows]
    below = logits[rows].max(axis=1, keepdims=True) - logits[rows]
    assert (np.abs(half - logits[rows]) <= 2.0**-11 * below + 1e-4).all()
    np.testing.assert_array_equal(half.max(axis=1), logits[rows].max(axis=1))


def test_the_order_in_which_rows_come_changes_no_byte(tmp_path: Path) -> None:
    logits = dense(SAMPLES, CLASSES, seed=2)
    write(tmp_path / "a", logits, Form(k=5, dtype="float16"))
    shuffled = np.random.default_rng(0).permutation(SAMPLES)
    write(tmp_path / "b", logits, Form(k=5, dtype="float16"), order=shuffled)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_any_tool_of_safetensors_opens_the_file(tmp_path: Path) -> None:
    logits = dense(SAMPLES, CLASSES, seed=3)
    write(tmp_path / "a", logits, Form(k=5))
    with safe_open(tmp_path / "a", framework="np") as stored:
        assert sorted(stored.keys()) == ["indices", "tail", "values"]
        np.testing.assert_array_equal(stored.get_tensor("values")[:, 0], logits.max(axis=1))


def test_the_form_follows_the_count_of_classes() -> None:
    assert form_for(1000, dtype="float32", k=None) == Form()
    assert form_for(1001, dtype="float16", k=None) == Form(dtype="float16", k=100)
    assert form_for(10, dtype="float32", k=10) == Form()
    assert form_for(10, dtype="float32", k=3) == Form(k=3)
    assert Form(k=3).shapes(7, 2**16)["indices"] == ("<u2", (7, 3))
    assert Form(k=3).shapes(7, 2**16 + 1)["indices"] == ("<u4", (7, 3))


@given(seed=st.integers(0, 999), classes=st.integers(2, 60), data=st.data())
@settings(max_examples=40, deadline=None)
def test_top_k_and_its_tail_keep_the_probabilities(
    seed: int, classes: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, classes - 1))
    logits = dense(4, classes, seed)
    indices, values, tail = shorten(logits, k)
    back = lengthen(indices, values, tail, classes=classes)
    softmax = torch.from_numpy(logits).double().softmax(dim=1).numpy()
    again = torch.from_numpy(back).double().softmax(dim=1).numpy()
    rows = np.arange(4)[:, None]
    np.testing.assert_allclose(again[rows, indices], softmax[rows, indices], rtol=2e-5)
    assert (np.diff(values, axis=1) <= 0).all()
    # What is short already stays so: the tail of an even tail is itself.
    same, _, tail_again = shorten(back, k)
    np.testing.assert_array_equal(np.sort(same), np.sort(indices))
    np.testing.assert_allclose(tail_again, tail, atol=2e-5)


def test_a_killed_computation_goes_on_behind_its_mark(tmp_path: Path) -> None:
    logits, asked = dense(SAMPLES, CLASSES, seed=4), []
    write(tmp_path / "whole", logits, Form())

    def answer(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(rows[0])
        return logits[rows]

    def again(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        asked.append(rows[0])
        return logits[rows]

    ticks = iter(range(0, 100_000, 100))
    for about, function in (("x", answer), ("x", again)):
        try:
            write_outputs(
                tmp_path / "part", batches(np.arange(SAMPLES), 16), function,
                samples=SAMPLES, classes=CLASSES, form=Form(), about=about,
                clock=lambda: float(next(ticks)),
            )  # fmt: skip
        except KeyboardInterrupt:
            continue
    assert asked == [0, 16, 32, 48, 64, 80]
    assert (tmp_path / "part").read_bytes() == (tmp_path / "whole").read_bytes()
    assert not (tmp_path / "part.mark").exists()


def test_what_another_computation_left_is_begun_again(tmp_path: Path) -> None:
    logits = dense(SAMPLES, CLASSES, seed=5)
    write(tmp_path / "part", np.zeros_like(logits), Form())
    size = (tmp_path / "part").stat().st_size
    (tmp_path / "part.mark").write_text(f'{{"about": "other", "batches": 3, "bytes": {size}}}')
    write(tmp_path / "part", logits, Form())
    stored = open_outputs(tmp_path / "part", samples=SAMPLES, classes=CLASSES)
    np.testing.assert_array_equal(stored[np.arange(SAMPLES)], logits)


def test_outputs_of_other_data_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", dense(SAMPLES, CLASSES, seed=6), Form())
    with pytest.raises(InputError, match="91 samples of 40 classes are due"):
        open_outputs(tmp_path / "a", samples=91, classes=CLASSES)
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-1])
    with pytest.raises(InputError, match="is truncated"):
        open_outputs(tmp_path / "a", samples=SAMPLES, classes=CLASSES)


def test_mapped_arrays_can_not_be_written(tmp_path: Path) -> None:
    made = create_tensors(tmp_path / "a", {"x": ("<f2", (3,)), "y": ("<i8", (2, 2))})
    made["y"][1, 1] = 7
    arrays = map_tensors(tmp_path / "a")
    assert arrays["y"].tolist() == [[0, 0], [0, 7]]
    with pytest.raises(ValueError, match="read-only"):
        arrays["x"][0] = 1


def test_stored_outputs_match_the_very_mixed_image(tmp_path: Path) -> None:
    """From the pairs themselves: the crop of a sample and of its partner, mixed, answered."""
    task, alpha = toy_task(pad=2), 0.4
    teacher = module_teacher(Linear(), name="t", digest="0" * 64)
    store_view(teacher, task, path=tmp_path / "v", seed=9, view=2, alpha=alpha)
    stored = open_outputs(tmp_path / "v", samples=len(task.train), classes=3)
    rows = np.array([250, 3, 77])
    ids = task.train.ids
    partners, shares = mixup_pairs(ids[rows], seed=9, view=2, alpha=alpha, pool=ids)
    at = np.array([int(np.flatnonzero(ids == partner)[0]) for partner in partners])
    (own,) = view_inputs(task, task.train, rows, seed=9, view=2)
    (other,) = view_inputs(task, task.train, at, seed=9, view=2)
    weight = torch.from_numpy(shares).float().view(-1, 1, 1, 1)
    expected = teacher.answer(own * weight + other * (1 - weight))
    np.testing.assert_allclose(stored[rows], expected, atol=1e-4)
    seen = mixed_view(task, task.train, rows, seed=9, view=2, alpha=alpha)
    np.testing.assert_allclose(stored[rows], teacher.answer(*seen), atol=1e-5)


@pytest.mark.parametrize("processes", [1, 2])
def test_every_batch_of_mixtures_comes_with_the_answers_to_its_own_images(
    tmp_path: Path, processes: int
) -> None:
    task, alpha = toy_task(pad=2), 0.4
    teacher = module_teacher(Linear(), name="t", digest="0" * 64)
    stored = []
    for view in range(2):
        store_view(teacher, task, path=tmp_path / str(view), seed=9, view=view, alpha=alpha)
        stored.append(open_outputs(tmp_path / str(view), samples=len(task.train), classes=3))
    for process in range(processes):
        feed = TrainingFeed(
            task=task,
            batch=32,
            seed=9,
            order_seed=5,
            teacher_outputs=stored,
            process=process,
            processes=processes,
            mixup=alpha,
        )
        for epoch in range(3):  # the third goes back to the first view
            for batch in feed.batches(epoch, first_step=3):
                assert batch.teacher is not None
                assert len(batch.teacher) == 32 // processes
                torch.testing.assert_close(
                    batch.teacher,
                    torch.from_numpy(teacher.answer(*batch.inputs)),
                    atol=1e-5,
                    rtol=0,
                )
                torch.testing.assert_close(batch.target.sum(dim=1), torch.ones(32 // processes))


@pytest.mark.parametrize("form", [Form(), Form(dtype="float16"), Form(k=1, dtype="float16")])
def test_recomputed_rows_agree_and_another_teachers_do_not(tmp_path: Path, form: Form) -> None:
    task = toy_task(pad=1)
    teacher = module_teacher(Linear(), name="t", digest="0" * 64)
    other = module_teacher(Linear(scale=1.05), name="u", digest="1" * 64)
    store_view(teacher, task, path=tmp_path / "v", seed=0, view=0, form=form)
    stored = open_outputs(tmp_path / "v", samples=len(task.train), classes=3)

    def differing(teacher: Teacher, view: int) -> int:
        now = partial(view_answers, teacher, task, seed=0, view=view)
        return len(differing_rows(stored, now, task, form=form))

    assert differing(teacher, 0) == 0
    assert differing(other, 0) > 32
    assert differing(teacher, 1) > 32


def test_an_output_that_is_not_finite_names_its_samples(tmp_path: Path) -> None:
    class Broken(Linear):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            scores = super().forward(images)
            scores[1, 0] = torch.nan
            return scores

    task = toy_task()
    teacher = module_teacher(Broken(), name="t", digest="0" * 64)
    with pytest.raises(InputError, match=rf"on 1 samples of one batch \(ids {task.train.ids[1]}\)"):
        view_answers(teacher, task, np.array([0, 1, 2]), seed=0, view=0)
