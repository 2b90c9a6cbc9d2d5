"""A small project on disk with its trained teacher, shared by the tests of whole runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from compress.pipeline.run import run

SHAPES = Path(__file__).parents[1] / "projects" / "shapes"


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project folder, copied, with teacher.safetensors trained by its own recipe."""
    root = tmp_path_factory.mktemp("shapes")
    folder = root / "project"
    shutil.copytree(SHAPES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    result = run(folder / "teacher.yaml", out=root / "teacher-run", cache=root / "teacher-cache")
    shutil.copyfile(result.folder / "student.safetensors", folder / "teacher.safetensors")
    return folder
