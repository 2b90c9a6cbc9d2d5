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
import torch

from compress.metrics.fidelity import spearman
from compress.pipeline.run import RunResult, plan, run
from compress.recipe.targets import load_target
from compress.tasks.text_tokenizer import load_tokenizer

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
def test_a_folder_of_a_sentence_encoder_teaches_a_student_cut_from_it(project: Path) -> None:
    import transformers

    vocabulary = load_tokenizer(project / "tokenizer.json", tokens=16).vocabulary
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=vocabulary, hidden_size=24, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=16, initializer_range=0.05,
    )  # fmt: skip
    folder = project / "encoder"
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    parts = [{"type": f"sentence_transformers.models.{part}"} for part in ("Pooling", "Normalize")]
    (folder / "modules.json").write_text(json.dumps(parts))
    found = run(
        project / "embed.yaml",
        out=project.parent / "cut",
        cache=project.parent / "cache",
        overrides=(
            "teacher={kind: transformers, path: encoder}",
            "student={kind: truncated, layers: 2}",
            "distill.loss={kind: embedding, form: cosine}",
            "distill.learning_rate=0.003",
        ),
    )
    (fidelity,) = (one for one in found.report.fidelities if one.candidate == "student")
    assert fidelity.spearman > 0.8
    with np.load(found.folder / "predictions.npz") as kept:
        np.testing.assert_allclose(np.linalg.norm(kept["teacher"], axis=1), 1.0, atol=1e-5)


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
