"""A whole run without labels: a narrow student that keeps the similarities of its teacher."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from compress.metrics.fidelity import spearman
from compress.pipeline.run import RunResult, plan, run
from compress.recipe.targets import load_target

SAYINGS = Path(__file__).parents[1] / "projects" / "sayings"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("embedded") / "project"
    shutil.copytree(SAYINGS, made, ignore=shutil.ignore_patterns("__pycache__"))
    load_target("project.py:write_data", made)(made)
    table = (made / "table.csv").read_text().splitlines()
    # A table without a label column: none is asked for.
    (made / "table.csv").write_text("\n".join(row.rpartition(",")[0] for row in table) + "\n")
    return made


@pytest.fixture(scope="module")
def embedded(project: Path) -> RunResult:
    return run(project / "embed.yaml", out=project.parent / "out", cache=project.parent / "cache")


def test_a_narrow_student_keeps_the_teachers_similarities(embedded: RunResult) -> None:
    report = embedded.report
    by_name = {found.candidate: found for found in report.fidelities}
    student = by_name["student"]
    assert (student.samples, student.pairs) == (200, 200 * 199 // 2)
    assert student.spearman_low_bound < student.spearman < student.spearman_high_bound
    assert student.spearman > 0.85
    assert {verdict.budget: verdict.status for verdict in report.verdicts} == {
        "similarities": "pass",
        "size": "pass",
    }
    assert not report.qualities
    assert not report.slices
    assert report.history is not None
    assert report.history.epochs[-1].validation_accuracy == pytest.approx(
        student.spearman, abs=0.08
    )


def test_the_report_shows_similarities_and_no_accuracy(embedded: RunResult) -> None:
    for name in ("report.md", "report.html"):
        page = (embedded.folder / name).read_text()
        assert "Spearman with teacher" in page
        assert "Nearest 10 kept" in page
        assert "Test accuracy" not in page
        assert "Validation accuracy" not in page


def test_predictions_hold_the_embeddings_that_were_compared(embedded: RunResult) -> None:
    with np.load(embedded.folder / "predictions.npz") as kept:
        assert kept["teacher"].shape == (200, 24)
        assert kept["student"].shape == (200, 8)
        again = spearman(kept["teacher"], kept["student"])
    assert again == pytest.approx(embedded.report.fidelities[0].spearman, abs=1e-12)


def test_predict_py_writes_embeddings_of_raw_texts(embedded: RunResult, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("the small dog\nbread with very old cheese\n")
    command = [sys.executable, "-I", str(embedded.folder / "predict.py"), str(texts)]
    subprocess.run([*command, "--out", str(tmp_path / "e.npy")], check=True, capture_output=True)
    found = np.load(tmp_path / "e.npy")
    assert found.shape == (2, 8)
    rows = json.loads(subprocess.run([*command, "--json"], check=True, capture_output=True).stdout)
    np.testing.assert_allclose(rows[1]["embedding"], found[1], rtol=1e-6)
    session = onnxruntime.InferenceSession(embedded.folder / "student.onnx")
    assert session.get_outputs()[0].shape[1] == 8


def test_a_second_run_of_embeddings_computes_nothing(project: Path, embedded: RunResult) -> None:
    planned = plan(project / "embed.yaml", cache=project.parent / "cache")
    assert [entry.stage for entry in planned if not entry.hit] == []


@pytest.mark.slow
def test_a_projection_learnt_from_stored_outputs_is_not_in_the_file(project: Path) -> None:
    found = run(
        project / "embed.yaml",
        out=project.parent / "learned",
        cache=project.parent / "cache",
        overrides=("distill.loss.project=learned",),
    )
    (fidelity,) = (one for one in found.report.fidelities if one.candidate == "student")
    assert fidelity.spearman > 0.7
    session = onnxruntime.InferenceSession(found.folder / "student.onnx")
    assert session.get_outputs()[0].shape[1] == 8
