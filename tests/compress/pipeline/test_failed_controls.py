"""A control that answers NaN is a row without answers; a student that does ends the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from toy_project import toy_project

from compress.errors import InputError
from compress.pipeline.context import Context
from compress.pipeline.run import prepare
from compress.pipeline.stages.embedding import judge_embeddings
from compress.pipeline.stages.judging import FLOAT_STUDENT, failed_notes, judge_files
from compress.recipe.load import load_recipe
from exporters.events import Event

from toy_task import linear_onnx  # isort: skip  # beside the teachers, which toy_project finds

PROJECT = """
import toy
from torch import nn
from compress.tasks import ArrayData

def data():
    return ArrayData(train=toy.images(300, 1), validation=toy.images(60, 2),
                     test=toy.images(150, 3), classes=toy.CLASSES)

def teacher():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
"""
RECIPE = """
schema: 1
name: toy
task: {kind: python, target: "project.py:data"}
teacher: {kind: python, target: "project.py:teacher"}
student: {kind: python, target: "project.py:teacher"}
distill: {loss: {kind: kd}, epochs: 1, batch: 32}
"""
ROWS = ("teacher", "student", "teacher int8", "student on labels")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    folder = toy_project(tmp_path / "project", PROJECT, RECIPE)
    return prepare(load_recipe(folder / "recipe.yaml"), cache=tmp_path / "cache")


def files(folder: Path, *failing: str) -> dict[str, Path]:
    """A file per row, and the student in float32; the weights of those that fail are NaN."""
    made = {}
    for name in (*ROWS, FLOAT_STUDENT):
        made[name] = folder / f"{name.replace(' ', '-')}.onnx"
        linear_onnx(made[name])
        if name not in failing:
            continue
        model = onnx.load(made[name])
        (weight,) = model.graph.initializer
        spoilt = np.full_like(numpy_helper.to_array(weight), np.nan)
        weight.CopyFrom(numpy_helper.from_array(spoilt, weight.name))
        onnx.save(model, made[name])
    return made


def nothing(event: Event) -> None:
    pass


def test_a_control_of_nans_has_failed_and_all_others_are_judged(
    context: Context, tmp_path: Path
) -> None:
    given = files(tmp_path, "teacher int8", FLOAT_STUDENT)
    judged = judge_files(context, given, ROWS, nothing)
    kept = ["teacher", "student", "student on labels"]
    assert [one["subject"] for one in judged.facts["qualities"]] == kept
    assert [one["candidate"] for one in judged.facts["pairs"]] == kept[1:]
    assert [one["step"] for one in judged.facts["added"]] == ["distillation"]
    assert set(judged.arrays) == {"ids", "labels", "teacher", "student", "student_on_labels"}
    what = "answers NaN or infinity to 150 of 150 samples"
    assert judged.facts["failed"] == {"teacher int8": what, FLOAT_STUDENT: what}
    assert failed_notes(judged.facts)[0] == (
        f"The teacher int8 failed: it {what}. Its row says nothing of answers."
    )


def test_controls_that_answer_leave_no_note(context: Context, tmp_path: Path) -> None:
    judged = judge_files(context, files(tmp_path), ROWS, nothing)
    assert [one["subject"] for one in judged.facts["qualities"]] == list(ROWS)
    assert failed_notes(judged.facts) == ()


@pytest.mark.parametrize("subject", ["student", "teacher"])
def test_a_student_or_teacher_of_nans_is_named_in_an_error(
    subject: str, context: Context, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"^{subject}: answers NaN or infinity to 150 of 150"):
        judge_files(context, files(tmp_path, subject), ROWS, nothing)


def test_embeddings_of_nans_are_told_alike(context: Context, tmp_path: Path) -> None:
    facts, _ = judge_embeddings(context, files(tmp_path, "teacher int8"), "judge", nothing)
    kept = ["student", "student on labels", FLOAT_STUDENT]
    assert [one["candidate"] for one in facts["fidelities"]] == kept
    assert [one["spearman"] for one in facts["fidelities"]] == pytest.approx([1.0] * 3)
    assert failed_notes(facts) == (
        "The teacher int8 failed: it answers NaN or infinity. Its row says nothing of answers.",
    )
    with pytest.raises(InputError, match=r"^student: an embedding is not finite"):
        judge_embeddings(context, files(tmp_path, "student"), "judge", nothing)
