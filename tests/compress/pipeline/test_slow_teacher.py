"""A teacher whose answers would take a search's time is refused before it is asked for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_project import toy_project

from compress.errors import InputError
from compress.pipeline.run import prepare
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.candidates import Candidates
from compress.recipe.load import load_recipe
from compress.store.store import open_store

PROJECT = """
import time
from pathlib import Path
import numpy as np
import toy
from compress.tasks import ArrayData

def data():
    return ArrayData(train=toy.images(300, 1), validation=toy.images(60, 2),
                     test=toy.images(60, 3), classes=toy.CLASSES)

def teacher(images):
    # Not beside this file: what its source names there is a part of the teacher.
    with (Path(__file__).parents[1] / "asked.txt").open("a") as stream:
        stream.write(f"{len(images)}\\n")
    time.sleep(0.003 * len(images))
    return (images.reshape(len(images), -1) @ toy.weights().T).astype(np.float32)
"""
RECIPE = """
schema: 1
name: toy
task: {kind: python, target: "project.py:data"}
teacher: {kind: python, target: "project.py:teacher"}
student: {kind: auto}
search: {time: 1min}
distill: {loss: {kind: kd}, epochs: 2, batch: 32, views: 2}
decisions: {precision: float32}
budgets: [{id: size, metric: file_bytes, max: 60KiB}]
"""


def asked(project: Path) -> int:
    """Samples that the teacher was asked for."""
    lines = (project.parent / "asked.txt").read_text().splitlines()
    return sum(map(int, lines))


def test_outputs_that_take_more_than_half_of_the_time_are_refused_and_what_is_stored_is_not(
    tmp_path: Path,
) -> None:
    project = toy_project(tmp_path / "project", PROJECT, RECIPE)
    with open_store(tmp_path / "cache") as store:
        context = prepare(load_recipe(project / "recipe.yaml"), cache=tmp_path / "cache")
        candidates = Candidates(context, StageRunner(store), lambda event: None)
        with pytest.raises(InputError, match="the teacher's outputs take about") as refused:
            candidates.teach(3.0)  # two views of 300 samples take 1.8 s and more
        assert refused.value.where == "search.time"
        assert "write `time: 1min` or more" in (refused.value.cure or "")
        assert asked(project) <= 8 + 2 * 64
        assert candidates.teach(3600.0) > 1.8
        all_asked = asked(project)
        candidates.teach(3.0)  # they are there
        assert asked(project) == all_asked
