"""`loss: auto` in a search: what pilots learn by, and the race on the student that was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_project import toy_project

from compress.pipeline.run import prepare
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.candidates import Candidates
from compress.recipe.load import load_recipe
from compress.recipe.loss_nodes import HardLoss, KdLoss
from compress.search.solve import Found
from compress.search.space import FLOAT, Plan, space_for
from compress.store.store import open_store

STRUCTURE = space_for("rows", schemes=(FLOAT,)).structures[0]
FOUND = Found(
    plan=Plan(structure=STRUCTURE, width=8, scheme=FLOAT),
    fits=True,
    epochs=4,
    epoch_s=1.0,
    pilots={},
)
PROJECT = """
import numpy as np
import toy
from compress.tasks import ArrayData

def data():
    return ArrayData(train=toy.images(300, 1), validation=toy.images(200, 2),
                     test=toy.images(60, 3), classes=toy.CLASSES)

def scores(images):
    return (images.reshape(len(images), -1) @ toy.weights().T).astype(np.float32)
"""
RECIPE = """
schema: 1
name: toy
task: {kind: python, target: "project.py:data"}
teacher: {kind: python, target: "project.py:scores"}
student: {kind: auto}
search: {time: 10min}
distill: {loss: {kind: auto, budget: 3min}, epochs: 4, batch: 32, views: 1}
decisions: {precision: float32}
budgets: [{id: size, metric: file_bytes, max: 60KiB}]
"""


@contextmanager
def candidates(tmp_path: Path, told: list[str], *changes: str) -> Iterator[Candidates]:
    project = toy_project(tmp_path / "project", PROJECT, RECIPE)
    with open_store(tmp_path / "cache") as store:
        context = prepare(load_recipe(project / "recipe.yaml"), cache=tmp_path / "cache")
        splits = (context.task.train, context.task.validation)
        np.savez(
            project / "decisions.npz",
            ids=np.concatenate([split.ids for split in splits]),
            labels=np.concatenate([split.labels for split in splits]),
        )
        if changes:
            loaded = load_recipe(project / "recipe.yaml", overrides=changes)
            context = prepare(loaded, cache=tmp_path / "cache")
        yield Candidates(context, StageRunner(store), lambda event: told.append(event.message))


def test_where_the_teacher_gives_decisions_alone_pilots_learn_by_them(tmp_path: Path) -> None:
    change = "teacher={kind: outputs, path: decisions.npz}"
    with candidates(tmp_path, [], change) as made:
        made.teach(3600.0)
        assert isinstance(made.context.recipe.distill.loss, HardLoss)


def test_where_no_race_fits_the_first_loss_stays_and_that_is_said(tmp_path: Path) -> None:
    told: list[str] = []
    with candidates(tmp_path, told) as made:
        made.teach(3600.0)
        own = made.context.recipe.distill.loss
        assert isinstance(own, KdLoss)
        said = made.race_losses(FOUND, budget_s=1.0)
    assert said["decision"] is None
    assert said["loss"] == own.model_dump(mode="json")
    assert said["seconds"] > 0
    assert any("goes on with the first loss: no race fits in 1s" in one for one in told)


@pytest.mark.slow
@pytest.mark.timeout(600)  # twelve pilots at least, each a process of its own
def test_the_loss_of_the_race_is_what_the_training_in_full_learns_by(tmp_path: Path) -> None:
    found = replace(FOUND, epochs=1)
    with candidates(tmp_path, []) as made:
        made.teach(3600.0)
        said = made.race_losses(found, budget_s=240.0)
        assert said["decision"]["question"] == "method"
        assert said["decision"]["evidence"]["seeds"] >= 3
        assert said["seconds"] <= 1.1 * 240
        made.learn_by(said)
        assert made.context.recipe.distill.loss.model_dump(mode="json") == said["loss"]
        done = made.finish(found)
    assert done.seen is not None
    assert 0 < done.seen.accuracy <= 1
