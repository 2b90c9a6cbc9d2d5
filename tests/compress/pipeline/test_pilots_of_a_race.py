"""Pilots of `distil advise` as they run: on validation data alone, and alike at their start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from toy_project import toy_project

from compress.pipeline.graph import run_stages
from compress.pipeline.run import prepare
from compress.pipeline.stage import inputs_of
from compress.pipeline.stages.method import _Pilots, method_stage
from compress.pipeline.stages.method_facts import facts_of
from compress.pipeline.stages.student import student_stage
from compress.pipeline.stages.teacher import teacher_stages
from compress.recipe.load import load_recipe
from compress.search.candidates import candidates
from compress.store.store import open_store
from exporters.events import Event

# A student of one's own that writes down what it begins with.
PROJECT = """
import hashlib
import os
from pathlib import Path
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
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    digest = hashlib.sha256(network[1].weight.detach().numpy().tobytes()).hexdigest()
    with Path(__file__).with_name("starts.txt").open("a") as stream:
        stream.write(f"{os.getpid()} {digest}\\n")
    return network
"""
RECIPE = """
schema: 1
name: toy
task: {kind: python, target: "project.py:data"}
teacher: {kind: python, target: "project.py:teacher"}
student: {kind: python, target: "project.py:small"}
distill: {loss: {kind: auto}, epochs: 1, batch: 32, views: 1}
decisions: {precision: float32}
"""


@pytest.mark.slow  # three trainings in processes of their own
def test_pilots_read_no_test_sample_and_those_of_one_seed_begin_with_the_same_weights(
    tmp_path: Path,
) -> None:
    project, cache = toy_project(tmp_path / "project", PROJECT, RECIPE), tmp_path / "cache"
    starts, told = project / "starts.txt", list[Event]()

    def starts_of_other_processes() -> set[str]:
        """Those of trainings: everything else builds its student here."""
        lines = [line.split() for line in starts.read_text().splitlines()]
        return {digest for process, digest in lines if int(process) != os.getpid()}

    with open_store(cache) as store:
        context = prepare(load_recipe(project / "recipe.yaml"), cache=cache, on_event=told.append)
        stages = (student_stage(context), *teacher_stages(context))
        finished = run_stages(stages, store=store, on_event=told.append)
        entries = {name: done.entry for name, done in finished.items()}
        stage = method_stage(context, budget_s=60.0, store=store)
        facts = facts_of(context, inputs_of(stage, entries, store))
        pilots = _Pilots(context, facts, candidates(facts), store, told.append)

        begun: dict[tuple[str, int], set[str]] = {}
        for arm, seed in (("labels", 5), ("kd", 5), ("labels", 6)):
            starts.write_text("")
            assert 0 < pilots.score(arm, seed, 1) <= 1.0
            begun[arm, seed] = starts_of_other_processes()
    assert len(begun["labels", 5]) == 1
    assert begun["kd", 5] == begun["labels", 5]
    assert begun["labels", 6] != begun["labels", 5]
    assert [event for event in told if event.kind == "test-read"] == []
    context.task.test()
    assert [event.kind for event in told][-1] == "test-read"  # it would have been seen
