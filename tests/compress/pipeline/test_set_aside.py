"""What of a search's time is kept for what comes after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_project import toy_project

from compress.pipeline.context import Context
from compress.pipeline.run import prepare
from compress.pipeline.stages.set_aside import (
    after_seconds,
    finish_seconds,
    has_time_to_look_again,
)
from compress.recipe.load import load_recipe

PROJECT = """
import toy
from torch import nn
from compress.tasks import ArrayData

def data():
    return ArrayData(train=toy.images(300, 1), validation=toy.images(100, 2),
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
controls: none
"""


def context(folder: Path, *changes: str) -> Context:
    folder.mkdir(exist_ok=True)
    made = toy_project(folder / "project", PROJECT, RECIPE)
    return prepare(load_recipe(made / "recipe.yaml", overrides=changes), cache=folder / "cache")


def test_what_comes_after_a_search_takes_longer_the_more_is_measured(tmp_path: Path) -> None:
    # A report, teacher and student, and the judge's look at 100 samples.
    plain = context(tmp_path / "a", "bench={epochs: 5, threads: [1]}")
    assert after_seconds(plain) == pytest.approx(6.0 + 5 * 2 * 1.4 + 0.6)
    more = context(
        tmp_path / "b", "bench={epochs: 10, threads: [1, 2]}", "controls={labels_only: true}"
    )
    assert after_seconds(more) == pytest.approx(6.0 + 10 * 2 * 3 * 1.4 + 0.6)


def test_a_training_in_full_needs_a_choice_per_batch_where_its_file_is_stored(
    tmp_path: Path,
) -> None:
    assert finish_seconds(context(tmp_path / "a", "quantize={kind: none}")) == 6.0
    stored = context(tmp_path / "b", "quantize={kind: static}", "bench={batch: [1, 32]}")
    assert finish_seconds(stored) == 6.0 + 2 * 14.0


def test_a_look_by_fresh_processes_is_had_where_it_is_a_small_part_of_the_time(
    tmp_path: Path,
) -> None:
    given, one, two = context(tmp_path), ("cpu", 1, 1), ("cpu", 2, 1)
    assert not has_time_to_look_again(given, [one], seconds=180.0)
    assert has_time_to_look_again(given, [one], seconds=2400.0)
    shortest = next(s for s in range(2400) if has_time_to_look_again(given, [one], seconds=s))
    assert not has_time_to_look_again(given, [one, two], seconds=shortest)
    assert has_time_to_look_again(given, [one, ("cpu", 1, 32)], seconds=shortest)
