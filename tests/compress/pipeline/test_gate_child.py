"""Measuring in a child: it may die of anything, and the gate still says what happened."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from compress.cli.main import run_command
from compress.errors import BaselineMissing, InputError, RecipeError
from compress.pipeline.gate_child import Asked, _as_raised, measure_apart
from exporters.errors import DistilError
from exporters.events import Event
from tests.matmul_models import save_matmuls

GATE = """\
schema: 1
candidate: student.onnx
teacher: {onnx: teacher.onnx}
feeds: {task: recipe.yaml}
budgets:
  - {id: accuracy, metric: accuracy, vs: teacher, max_drop: 3pp}
"""
RECIPE = """\
schema: 1
name: dying
task: {kind: python, target: "project.py:data"}
student: {kind: python, target: "project.py:student"}
distill: {loss: {kind: labels}, epochs: 1}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_matmuls(tmp_path / "student.onnx", layers=2)
    save_matmuls(tmp_path / "teacher.onnx", layers=4)
    (tmp_path / "distil.gate.yaml").write_text(GATE)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTIL_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    ("death", "said"),
    [
        ("os.kill(os.getpid(), 11)", "measuring ended with SIGSEGV (last words)"),
        ("os.kill(os.getpid(), 9)", "SIGKILL often means that memory ran out"),
    ],
)
def test_a_child_that_dies_is_exit_4_with_every_output_written(
    folder: Path, capsys: pytest.CaptureFixture[str], death: str, said: str
) -> None:
    (folder / "project.py").write_text(
        "import os, sys\n\n\ndef data():\n"
        f"    print('last words', file=sys.stderr, flush=True)\n    {death}\n"
    )
    assert run_command(["gate", "--measure", "-q", "--out", "kept"]) == 4
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    kept = json.loads((folder / "kept" / "gate.json").read_text())
    assert kept["exit_code"] == 4
    assert "measuring ended with" in (folder / "kept" / "gate.xml").read_text()


def test_what_a_task_prints_is_no_part_of_what_the_child_tells(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "project.py").write_text("def data():\n    print('{}')\n    raise ValueError('x')\n")
    assert run_command(["gate", "--measure", "-q"]) in (2, 4)
    said = capsys.readouterr()
    assert "{}" not in said.out
    assert "x" in said.err


def test_its_events_are_told_here_and_its_errors_are_raised_here(folder: Path) -> None:
    (folder / "recipe.yaml").unlink()
    events: list[Event] = []
    asked = Asked(file="distil.gate.yaml", cache=str(folder / "cache"))
    with pytest.raises(InputError, match="no such file"):
        measure_apart(asked, on_event=events.append)
    assert events[0].message == "measuring for accuracy"


def test_an_error_is_raised_as_the_nearest_known_class() -> None:
    about = {"what": "w", "where": "", "cure": ""}
    for kinds, expected in (
        (["RecipeError", "InputError"], RecipeError),
        (["NewerSchema", "InputError", "DistilError"], InputError),
        (["Unknown"], DistilError),
        (["BaselineMissing"], BaselineMissing),
    ):
        assert type(_as_raised({**about, "kinds": kinds})) is expected


def test_a_parent_that_is_interrupted_ends_the_child(folder: Path) -> None:
    (folder / "project.py").write_text("import time\n\n\ndef data():\n    time.sleep(600)\n")

    def interrupt(event: Event) -> None:
        if event.message.startswith("measuring for"):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        measure_apart(
            Asked(file="distil.gate.yaml", cache=str(folder / "cache")), on_event=interrupt
        )
