"""What a recipe and its teacher say of the methods that fit, and what a race then changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from toy_project import toy_project

from compress.pipeline.context import Context
from compress.pipeline.graph import run_stages
from compress.pipeline.method import with_method
from compress.pipeline.run import prepare
from compress.pipeline.stage import Finished, inputs_of
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.glance import view_seconds
from compress.pipeline.stages.method import ADVICE_FILE, METHOD, method_stage
from compress.pipeline.stages.method_facts import facts_of
from compress.pipeline.stages.student import student_stage
from compress.pipeline.stages.teacher import teacher_stages
from compress.recipe.load import load_recipe
from compress.recipe.nodes import OutputsTeacher
from compress.search.candidates import Facts
from compress.store.store import open_store

PROJECT = """
import numpy as np
import toy
import torch
from torch import nn
from compress.tasks import ArrayData

def data():
    return ArrayData(train=toy.images(300, 1), validation=toy.images(60, 2),
                     test=toy.images(60, 3), classes=toy.CLASSES)

def teacher(images):
    return (images.reshape(len(images), -1) @ toy.weights().T).astype(np.float32)

def small():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
"""
RECIPE = """
schema: 1
name: toy
task: {kind: python, target: "project.py:data"}
teacher: {kind: python, target: "project.py:teacher"}
student: {kind: python, target: "project.py:small"}
distill: {loss: {kind: auto}, epochs: 2, batch: 32, views: 2}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return toy_project(tmp_path / "project", PROJECT, RECIPE)


def _run(project: Path, *overrides: str) -> tuple[Context, dict[str, Finished], Facts]:
    loaded = load_recipe(project / "recipe.yaml", overrides=overrides)
    cache = project.parent / "cache"
    with open_store(cache) as store:
        context = prepare(loaded, cache=cache)
        stages = (student_stage(context), *teacher_stages(context))
        finished = run_stages(stages, store=store, on_event=lambda event: None)
        entries = {name: done.entry for name, done in finished.items()}
        stage = method_stage(context, budget_s=60.0, runner=StageRunner(store))
        return context, finished, facts_of(context, inputs_of(stage, entries, store))


def test_a_teacher_that_is_stored_short_counts_as_top_k(project: Path) -> None:
    plain = Facts(given="logits", classes=3, gap=None)
    assert _run(project)[2] == plain
    short = "distill.stored={top_k: 2}"
    assert _run(project, short)[2] == replace(plain, given="top-k")
    # In the loop it answers in full.
    assert _run(project, short, "distill.reuse_teacher_outputs=false")[2] == plain


def test_layers_are_those_that_both_networks_have_and_a_function_has_none(project: Path) -> None:
    code = project / "project.py"
    networks = """
def seen():
    network = nn.Sequential(nn.Conv2d(1, 6, 1, bias=False), nn.Flatten(), nn.Linear(384, 3))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network[0].weight[0] = 1.0
        network[2].weight[:, :64] = torch.from_numpy(toy.weights())
    return network

def alike():
    return nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3))

def unlike():
    return nn.Sequential(nn.Conv2d(1, 4, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
"""
    code.write_text(code.read_text() + networks)
    seen = "teacher.target=project.py:seen"
    assert _run(project)[2].layers is None
    found = _run(project, seen, "student.target=project.py:alike")[2]
    assert found.layers == ("1", "0")
    other = _run(project, seen, "student.target=project.py:unlike")[2]
    assert other.layers is None
    assert other.unlike == "no layer of the student has as many places as one of the teacher"


def test_labels_and_mixtures_are_told(project: Path) -> None:
    facts = _run(project, "task.labelled=75", "distill.mixup=0.4", "distill.processes=2")[2]
    assert (facts.labelled, facts.mixup, facts.unmixable) == (0.25, True, None)
    assert facts.in_parts  # each process has a part of a batch


def test_the_run_goes_on_with_the_mixtures_of_the_method_that_won(project: Path) -> None:
    context, finished, _ = _run(project, "distill.mixup=0.4")

    def chosen(mixup: float | None) -> Context:
        about = project / ADVICE_FILE
        loss = {"kind": "kd", "temperature": 1.0, "weight": 1.0}
        about.write_text(json.dumps({"loss": loss, "mixup": mixup}))
        held = replace(finished["teacher"], files={ADVICE_FILE: about})
        return with_method(context, {METHOD: held})

    assert chosen(1.0).recipe.distill.mixup == 1.0
    assert chosen(None).recipe.distill.mixup == 0.4  # the recipe's own
    assert chosen(1.0).recipe.distill.loss.kind == "kd"


def test_a_glance_tells_what_a_view_takes_from_the_samples_that_it_asks_for(
    project: Path,
) -> None:
    context, finished, _ = _run(project)
    entries = {name: done.entry for name, done in finished.items()}
    with open_store(project.parent / "cache") as store:
        stage = method_stage(context, budget_s=60.0, runner=StageRunner(store))
        found = view_seconds(context, inputs_of(stage, entries, store))
    assert found is not None
    assert 0 < found < 60
    stored = context.recipe.model_copy(
        update={"teacher": OutputsTeacher(kind="outputs", path="outputs.npz")}
    )
    assert view_seconds(replace(context, recipe=stored), None) is None  # type: ignore[arg-type]
