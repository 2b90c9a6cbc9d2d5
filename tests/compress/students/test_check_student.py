"""A student that can't learn the task is refused before a step is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from compress.errors import InputError
from compress.recipe.nodes import PythonStudent, PythonTask
from compress.students.build import build_student
from compress.students.check import checked_student
from compress.tasks.build import build_task
from compress.tasks.data import Task

PROJECT = Path(__file__).parents[2] / "projects" / "shapes"
STUDENTS = """
import torch
from torch import nn

class Linear(nn.Module):
    def __init__(self, outputs, inputs=256):
        super().__init__()
        self.head = nn.Linear(inputs, outputs)
    def forward(self, images):
        return self.head(images.flatten(1))

class Named(Linear):
    def forward(self, images):
        return {"logits": super().forward(images)}

class Map(Linear):
    def forward(self, images):
        return super().forward(images)[:, :, None, None]

class Sides(Linear):
    def forward(self, images):
        scores = super().forward(images)
        return (scores, scores) if self.training else scores

class Classes(Linear):
    def forward(self, images):
        return super().forward(images).argsort(1)

class Normed(Linear):
    def __init__(self, outputs):
        super().__init__(outputs)
        self.norm = nn.BatchNorm2d(1)
    def forward(self, images):
        return super().forward(self.norm(images))

def five(): return Linear(5)
def narrow(): return Linear(3, inputs=100)
def named(): return Named(3)
def scoremap(): return Map(3)
def sides(): return Sides(3)
def classes(): return Classes(3)
def normed(): return Normed(3)
"""


@pytest.fixture(scope="module")
def task() -> Task:
    node = PythonTask(kind="python", target="project.py:data")
    return build_task(node, folder=PROJECT, seed=0, cache=PROJECT)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("five", r"evaluation mode .* shape \(2, 5\) for 2 samples, and the task has 3 classes"),
        ("scoremap", r"shape \(2, 3, 1, 1\).*return \(batch, 3\) logits"),
        ("named", "in evaluation mode the student returns a dict, not a tensor"),
        ("sides", "in training mode the student returns a tuple, not a tensor"),
        ("classes", "outputs are int64; return floating-point logits"),
        ("narrow", r"students.py:10: RuntimeError: .* given images \(2, 1, 16, 16\) float32"),
    ],
)
def test_what_gives_no_logits_of_the_classes_is_refused(
    task: Task, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "students.py").write_text(STUDENTS)
    node = PythonStudent(kind="python", target=f"students.py:{name}")
    with pytest.raises(InputError, match=said):
        checked_student(node, task, folder=tmp_path, seed=0)


def test_a_good_student_comes_back_untouched_and_no_random_number_is_used(
    task: Task, tmp_path: Path
) -> None:
    (tmp_path / "students.py").write_text(STUDENTS)
    node = PythonStudent(kind="python", target="students.py:normed")
    state = torch.get_rng_state()
    module, samples = checked_student(node, task, folder=tmp_path, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert not module.training
    assert torch.equal(module.state_dict()["norm.running_mean"], torch.zeros(1))
    assert tuple(samples[0].shape) == (2, 1, 16, 16)
    assert samples[0].max() <= 1.0


def test_the_first_weights_of_a_users_own_student_depend_on_the_seed_alone(tmp_path: Path) -> None:
    """Arms of a race and seeds of a study are pairs by this."""
    (tmp_path / "students.py").write_text(STUDENTS)
    node = PythonStudent(kind="python", target="students.py:normed")

    def weights(seed: int, before: int) -> torch.Tensor:
        torch.manual_seed(before)  # whatever the process drew before
        torch.rand(before)
        found: torch.Tensor = build_student(node, folder=tmp_path, seed=seed).state_dict()[
            "head.weight"
        ]
        return found

    assert torch.equal(weights(5, before=1), weights(5, before=2))
    assert not torch.equal(weights(5, before=1), weights(6, before=1))
