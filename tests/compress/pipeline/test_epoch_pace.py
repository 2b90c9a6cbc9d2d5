"""An epoch is told by a few steps of the recipe's own batch, and a network that fails has none."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from toy_project import toy_project

from compress.pipeline.run import prepare
from compress.pipeline.stages.pace import STEPS, epoch_seconds, longest_epoch
from compress.recipe.load import load_recipe

STEP_S, SAMPLES, BATCH = 0.02, 300, 32
PROJECT = f"""
import time
from pathlib import Path
import toy
import torch
from torch import nn
from compress.tasks import ArrayData

def data():
    return ArrayData(train=toy.images({SAMPLES}, 1), validation=toy.images(60, 2),
                     test=toy.images(60, 3), classes=toy.CLASSES)

class Slow(nn.Module):
    def __init__(self, fails):
        super().__init__()
        self.fails = fails
        self.head = nn.LazyLinear(len(toy.CLASSES))
        self.head(torch.zeros(1, toy.weights().shape[1]))

    def forward(self, images):
        with (Path(__file__).parents[1] / "seen.txt").open("a") as stream:
            stream.write(f"{{len(images)}} {{self.training}}\\n")
        time.sleep({STEP_S})
        if self.fails:
            raise RuntimeError("sizes do not fit")
        return self.head(images.flatten(1))

def student():
    return Slow(False)

def failing():
    return Slow(True)
"""
RECIPE = f"""
schema: 1
name: toy
task: {{kind: python, target: "project.py:data"}}
student: {{kind: python, target: "project.py:NAME"}}
distill: {{loss: labels, epochs: 2, batch: {BATCH}}}
"""


@pytest.mark.parametrize(("name", "steps"), [("student", STEPS), ("failing", 1)])
def test_a_few_training_steps_tell_an_epoch(name: str, steps: int, tmp_path: Path) -> None:
    project = toy_project(tmp_path / "project", PROJECT, RECIPE.replace("NAME", name))
    context = prepare(load_recipe(project / "recipe.yaml"), cache=tmp_path / "cache")
    seconds = epoch_seconds(context)
    assert (tmp_path / "seen.txt").read_text().splitlines() == steps * [f"{BATCH} True"]
    if name == "failing":
        assert math.isnan(seconds)
    else:
        assert seconds >= math.ceil(SAMPLES / BATCH) * STEP_S


def test_an_epoch_of_a_full_training_has_its_look_at_validation() -> None:
    epochs = [{"seconds": 20.0, "judged_s": 3.0}, {"seconds": 21.0, "judged_s": 3.0}]
    assert longest_epoch(epochs, seconds=60.0) == pytest.approx(1.1 * 24.0)
    assert longest_epoch(epochs, seconds=50.0) == pytest.approx(25.0)  # what both took, with starts
    assert longest_epoch([{"seconds": 20.0}], seconds=60.0) == pytest.approx(22.0)  # an old record
