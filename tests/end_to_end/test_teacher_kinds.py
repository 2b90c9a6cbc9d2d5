"""Whole runs from teachers that are no torch module: another framework's file, hard labels, an
earlier run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from compress.pipeline.run import RunResult, run
from compress.pipeline.verify import verify_run
from compress.store.manifest import load_manifest
from exporters.atomic import sha256_file

TEACHERS = Path(__file__).parents[1] / "compress" / "teachers"
sys.path.insert(0, str(TEACHERS))
import toy  # noqa: E402

PROJECT = """
import toy
from torch import nn
from compress.tasks import ArrayData

def data():
    return ArrayData(train=toy.images(300, 1), validation=toy.images(60, 2),
                     test=toy.images(90, 3), classes=toy.CLASSES)

def student():
    return nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
"""
RECIPE = """
schema: 1
name: toy
task: {kind: python, target: "project.py:data"}
teacher: {kind: onnx, path: t.onnx, outputs: probabilities}
student: {kind: python, target: "project.py:student"}
distill: {loss: {kind: kd, temperature: 1}, epochs: 6, batch: 32, learning_rate: 0.5, views: 1}
bench: {batch: [1], epochs: 3}
controls: none
slices: none
decisions: {precision: float32}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    shutil.copy(TEACHERS / "toy.py", folder)
    shutil.copy(TEACHERS / "made" / "sklearn_mlp.onnx", folder / "t.onnx")
    (folder / "project.py").write_text(PROJECT)
    (folder / "recipe.yaml").write_text(RECIPE)
    _, labels = toy.images(300, 1)
    np.savez(folder / "labels.npz", ids=np.arange(300), labels=labels)
    return folder


def accuracies(result: RunResult) -> dict[str, float]:
    return {quality.subject: quality.accuracy for quality in result.report.qualities}


@pytest.mark.slow
def test_a_scikit_learn_file_teaches_and_is_measured(project: Path, tmp_path: Path) -> None:
    result = run(project / "recipe.yaml", out=tmp_path / "run", cache=tmp_path / "cache")
    found = accuracies(result)
    assert list(found) == ["teacher", "student"]
    assert min(found.values()) > 0.8
    assert result.report.measured is not None
    assert [m.subject for m in result.report.measured.measurements] == ["teacher", "student"]
    assert verify_run(result.folder) == ()


def test_hard_labels_of_a_black_box_teach_without_a_model(project: Path, tmp_path: Path) -> None:
    result = run(
        project / "recipe.yaml",
        out=tmp_path / "run",
        cache=tmp_path / "cache",
        overrides=(
            "teacher={kind: outputs, path: labels.npz}",
            "distill.loss={kind: hard, weight: 1}",
        ),
    )
    found = accuracies(result)
    assert list(found) == ["student"]
    assert found["student"] > 0.8
    assert verify_run(result.folder) == ()


@pytest.mark.slow  # two runs
def test_what_a_run_shipped_in_int8_teaches_the_next(
    shapes: Path, finished: RunResult, store: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(shapes, project)
    shutil.copytree(finished.folder, project / "before")
    assert finished.report.sizes[-1].stage == "student int8"
    result = run(
        project / "recipe.yaml",
        out=tmp_path / "run",
        cache=store,
        overrides=(
            "teacher={kind: run, path: before}",
            "distill.views=1",
            "quantize={kind: none}",
            "decisions={precision: float32}",
            "slices=none",
        ),
    )
    found = accuracies(result)
    assert found["teacher"] == pytest.approx(accuracies(finished)["student"], abs=0.01)
    assert found["student"] > found["teacher"] - 0.2
    assert [v.status for v in result.report.verdicts if v.budget == "accuracy"] == ["pass"]
    facts = load_manifest(result.folder).facts
    assert facts.teacher_digest == sha256_file(project / "before" / "student.onnx")
    with (
        np.load(result.folder / "predictions.npz") as now,
        np.load(finished.folder / "predictions.npz") as before,
    ):
        assert (now["teacher"] == before["student"]).mean() > 0.99
    assert verify_run(result.folder) == ()
