"""A small project on disk with its trained teacher, a finished run of it, and a way to run more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_commands import Ended, Server, alone
from finished_run import SLOW, Good

SHAPES = Path(__file__).parents[1] / "projects" / "shapes"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Runs commands without importing everything again for each."""
    with Server(tmp_path_factory.mktemp("commands")) as started:
        yield started


@pytest.fixture(scope="session")
def shapes(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project folder, copied, with teacher.safetensors trained by its own recipe."""
    root = tmp_path_factory.mktemp("shapes")
    folder, out = root / "project", root / "teacher-run"
    shutil.copytree(SHAPES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    ended = server.run(
        *("run", folder / "teacher.yaml", "--out", out, "--cache", root / "teacher-cache", "-q"),
        cwd=root,
    )
    assert (ended.code, ended.err) == (0, [])
    shutil.copyfile(out / "student.safetensors", folder / "teacher.safetensors")
    return folder


@pytest.fixture(scope="session")
def good(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Good:
    """A run in the oddest of places: blanks, letters, bytes that are no UTF-8; a current folder
    with packages of our names; no home, no terminal, no colour, standard output closed."""
    root = tmp_path_factory.mktemp("good") / os.fsdecode(b"a b \xc3\x9f\xe6\xa8\xa1 \xe9\xff")
    project = root / "pro ject"
    shutil.copytree(shapes, project)
    (project / "slow.py").write_text(SLOW)
    cwd = root / "cwd"
    for name in ("compress", "benchmarks", "exporters", "torch"):
        (cwd / name).mkdir(parents=True)
        (cwd / name / "__init__.py").write_text("raise SystemExit('a stranger was imported')\n")
    finished = Good(project, root / "out put", root / "ca che", cwd, Ended(-1, "", []))
    environment = {
        **dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TERM")),
        "NO_COLOR": "1",
        "LC_ALL": "C",
        "TZ": "Nowhere/At_All",
    }
    ended = alone(finished.arguments(), cwd=cwd, environment=environment)
    return Good(project, finished.out, finished.cache, cwd, ended)
