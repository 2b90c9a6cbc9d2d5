"""The trial of precisions on a task of embeddings, whose samples have no label."""

from __future__ import annotations

import json
from pathlib import Path

from toy_project import toy_project

from compress.pipeline.decisions import DECISION_FILE
from compress.pipeline.graph import run_stages
from compress.pipeline.run import prepare
from compress.pipeline.stages.training import PRECISION, precision_stage
from compress.recipe.load import load_recipe
from compress.store.store import open_store

PROJECT = """
import toy
from torch import nn
from compress.tasks import ArrayData

def data():
    return ArrayData(train=toy.images(300, 1), validation=toy.images(60, 2),
                     test=toy.images(60, 3), classes=toy.CLASSES)

def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
"""
RECIPE = """
schema: 1
name: toy
task: {kind: python, target: "project.py:data", outputs: embeddings}
teacher: {kind: python, target: "project.py:network"}
student: {kind: python, target: "project.py:network"}
distill: {loss: {kind: embedding}, batch: 32}
"""


def test_precisions_are_tried_on_samples_without_a_label(tmp_path: Path) -> None:
    folder = toy_project(tmp_path / "project", PROJECT, RECIPE)
    loaded = load_recipe(folder / "recipe.yaml")
    with open_store(tmp_path / "cache") as store:
        stage = precision_stage(prepare(loaded, cache=tmp_path / "cache"))
        done = run_stages((stage,), store=store, on_event=lambda event: None)
        decision = json.loads(done[PRECISION].files[DECISION_FILE].read_text())
    assert not decision["pinned"]
    assert min(decision["evidence"][f"{name}_step_s"] for name in ("float32", "bfloat16")) > 0
