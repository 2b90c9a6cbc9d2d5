"""A user's own factory: its first weights depend on the seed alone, drawn from what they may."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from compress.recipe.student_nodes import PythonStudent
from compress.students.build import build_student

FACTORY = """
import random
import numpy as np
import torch

random.random(), np.random.rand(), torch.rand(1)  # an import that draws

def student():
    module = torch.nn.Linear(1, 3)
    drawn = [{draw} for _ in range(3)]
    module.weight.data = torch.tensor(drawn, dtype=torch.float32).reshape(3, 1)
    return module
"""
NODE = PythonStudent(kind="python", target="own.py:student")


@pytest.mark.parametrize(
    "draw", ["random.gauss(0, 1)", "np.random.standard_normal()", "torch.randn(()).item()"]
)
def test_weights_of_a_users_factory_depend_on_the_seed_alone(tmp_path: Path, draw: str) -> None:
    (tmp_path / "own.py").write_text(FACTORY.format(draw=draw))

    def built(seed: int) -> torch.Tensor:
        return build_student(NODE, folder=tmp_path, seed=seed).state_dict()["weight"]

    first = built(5)
    random.seed(99), np.random.seed(99), torch.manual_seed(99)
    assert torch.equal(built(5), first)
    assert not torch.equal(built(6), first)


def test_building_leaves_the_callers_generators_where_they_were(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FACTORY.format(draw="random.random() + np.random.rand()"))
    build_student(NODE, folder=tmp_path, seed=5)  # its import draws, this once

    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), torch.rand(()).item()

    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    due = drawn()
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    build_student(NODE, folder=tmp_path, seed=5)
    assert drawn() == due
