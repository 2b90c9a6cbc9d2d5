"""Small projects on disk and one run of each, shared by the tests of whole runs.

A run keeps what it computed in a store: tests that run a project with other settings take it from
there, as a user's second run does.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from compress.pipeline.run import RunResult, run
from compress.recipe.targets import load_target
from exporters.events import Event

PROJECTS = Path(__file__).parents[1] / "projects"


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project folder, copied, with teacher.safetensors trained by its own recipe."""
    root = tmp_path_factory.mktemp("shapes")
    folder = root / "project"
    shutil.copytree(PROJECTS / "shapes", folder, ignore=shutil.ignore_patterns("__pycache__"))
    result = run(folder / "teacher.yaml", out=root / "teacher-run", cache=root / "teacher-cache")
    shutil.copyfile(result.folder / "student.safetensors", folder / "teacher.safetensors")
    return folder


@pytest.fixture(scope="session")
def first_run(
    shapes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunResult, Path, list[Event]]:
    """The first run of shapes/recipe.yaml, its store, and what it told."""
    root, told = tmp_path_factory.mktemp("first"), list[Event]()
    found = run(
        shapes / "recipe.yaml", out=root / "run", cache=root / "store", on_event=told.append
    )
    return found, root / "store", told


@pytest.fixture(scope="session")
def finished(first_run: tuple[RunResult, Path, list[Event]]) -> RunResult:
    return first_run[0]


@pytest.fixture(scope="session")
def store(first_run: tuple[RunResult, Path, list[Event]]) -> Path:
    """Holds the first run, and what other tests add."""
    return first_run[1]


@pytest.fixture(scope="session")
def events(first_run: tuple[RunResult, Path, list[Event]]) -> list[Event]:
    return first_run[2]


@pytest.fixture(scope="session")
def sayings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project on texts, copied, with its table written; `cache` beside it is its store."""
    made = tmp_path_factory.mktemp("sayings") / "project"
    shutil.copytree(PROJECTS / "sayings", made, ignore=shutil.ignore_patterns("__pycache__"))
    load_target("project.py:write_data", made)(made)
    return made


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project on a folder per class: red discs, green bars, blue noise; PNG and JPEG of mixed
    sizes, some of them RGBA. `cache` beside it is its store."""
    made = tmp_path_factory.mktemp("pictures") / "project"
    shutil.copytree(PROJECTS / "folder", made, ignore=shutil.ignore_patterns("__pycache__"))
    random = np.random.default_rng(0)
    for channel, name in enumerate(("disc", "bar", "noise")):
        (made / "images" / name).mkdir(parents=True)
        for index in range(60):
            height, width = random.integers(18, 60, 2)
            pixels = random.integers(0, 70, (height, width, 3))
            pixels[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4, channel] += 150
            image = Image.fromarray(pixels.astype(np.uint8))
            if index % 10 == 0:
                image = image.convert("RGBA")
            ending = "jpg" if index % 2 else "png"
            image.save(made / "images" / name / f"{index:03d}.{ending}")
    return made


@pytest.fixture(scope="session")
def pictures_run(pictures: Path) -> RunResult:
    """That project, run once."""
    return run(pictures / "recipe.yaml", out=pictures / "outside", cache=pictures.parent / "cache")
