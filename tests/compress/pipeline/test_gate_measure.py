"""`distil gate --measure` on any two ONNX files: what is missing is measured, then judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compress.cli.main import run_command
from tests.matmul_models import save_matmuls

HEAD = """\
schema: 1
candidate: student.onnx
teacher: {onnx: teacher.onnx}
baseline: {model: released.onnx}
"""
ANSWERS = """\
feeds: {predictions: answers.npz}
budgets:
  - {id: size, metric: file_bytes, vs: teacher, max_ratio: 0.5x}
  - {id: params, metric: params, vs: baseline, max_increase: 0%}
  - {id: accuracy, metric: accuracy, vs: teacher, max_drop: 3pp}
  - {id: kept, metric: negative_flip_rate, vs: baseline, max: 2%}
  - {id: columns, metric: accuracy, vs: teacher, per_slice: source, max_drop: 5pp}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three models and stored answers: the student errs on 40 of 2,000, all from one source."""
    save_matmuls(tmp_path / "teacher.onnx", width=64, layers=8)
    save_matmuls(tmp_path / "released.onnx", width=64, layers=2, seed=1)
    save_matmuls(tmp_path / "student.onnx", width=64, layers=2, seed=2)
    labels = np.random.default_rng(0).integers(0, 4, 2000)
    student = labels.copy()
    student[:40] = (student[:40] + 1) % 4
    np.savez(
        tmp_path / "answers.npz",
        labels=labels,
        teacher=np.eye(4, dtype=np.float32)[labels],
        baseline=labels,
        student=student,
        source=np.array(["new"] * 200 + ["old"] * 1800),
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTIL_CACHE", str(tmp_path / "cache"))
    return tmp_path


def gate(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    kept = folder / "result.json"
    code = run_command(["gate", *arguments, "-q", "--json", str(kept)])
    result = json.loads(kept.read_text())["result"]
    return code, {verdict["budget"]: verdict for verdict in result["verdicts"]}


def test_two_files_and_stored_answers_are_enough(folder: Path) -> None:
    (folder / "distil.gate.yaml").write_text(HEAD + ANSWERS)
    assert gate(folder)[0] == 2
    code, found = gate(folder, "--measure")
    assert {name: verdict["status"] for name, verdict in found.items()} == {
        "size": "pass",
        "params": "pass",
        "accuracy": "pass",
        "kept": "inconclusive",
        "columns": "violated",
    }
    assert code == 1
    assert "40 lost" in found["accuracy"]["reason"]
    assert [p["status"] for p in found["columns"]["parts"]] == ["violated", "pass"]
    assert gate(folder)[0] == 1  # what was measured is kept
    assert (folder / ".distil" / ".gitignore").read_text() == "*\n"


def test_slices_are_held_against_teacher_and_baseline_each(folder: Path) -> None:
    budgets = "".join(
        f"  - {{id: {vs}, metric: accuracy, vs: {vs}, per_slice: source, max_drop: {drop}pp}}\n"
        for vs, drop in (("teacher", 25), ("baseline", 5))
    )
    arrays = dict(np.load(folder / "answers.npz"))
    np.savez(folder / "answers.npz", **{**arrays, "teacher": arrays["student"]})
    (folder / "distil.gate.yaml").write_text(
        f"{HEAD}feeds: {{predictions: answers.npz}}\nbudgets:\n{budgets}"
    )
    code, found = gate(folder, "--measure")
    assert code == 1
    assert (found["teacher"]["status"], found["baseline"]["status"]) == ("pass", "violated")
    assert "new" in found["baseline"]["observed"]
    save_matmuls(folder / "released.onnx", width=64, layers=2, seed=9)
    again = gate(folder)[1]
    assert (again["teacher"]["status"], again["baseline"]["status"]) == ("pass", "unmeasured")


def test_fresh_measures_again_what_was_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "distil.gate.yaml").write_text(HEAD + ANSWERS)
    gate(folder, "--measure")
    arrays = dict(np.load(folder / "answers.npz"))
    np.savez(folder / "answers.npz", **{**arrays, "student": arrays["labels"]})
    assert gate(folder, "--measure")[1]["columns"]["status"] == "violated"
    assert gate(folder, "--measure", "--fresh")[1]["columns"]["status"] == "pass"
    assert run_command(["gate", "--fresh", "-q"]) == 2
    assert "--fresh: measures nothing by itself; write `--measure --fresh`" in (
        capsys.readouterr().err
    )


def test_another_student_makes_what_was_measured_stale(folder: Path) -> None:
    (folder / "distil.gate.yaml").write_text(HEAD + ANSWERS)
    gate(folder, "--measure")
    save_matmuls(folder / "student.onnx", width=64, layers=2, seed=3)
    code, found = gate(folder)
    assert code == 2
    assert {verdict["status"] for verdict in found.values()} == {"unmeasured"}


def test_a_new_baseline_makes_only_its_budgets_stale(folder: Path) -> None:
    (folder / "distil.gate.yaml").write_text(HEAD + ANSWERS)
    gate(folder, "--measure")
    save_matmuls(folder / "released.onnx", width=64, layers=2, seed=4)
    found = gate(folder)[1]
    unmeasured = {name for name, verdict in found.items() if verdict["status"] == "unmeasured"}
    assert unmeasured == {"params", "kept"}


def test_the_baseline_goes_from_update_to_diff(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = HEAD.replace("baseline: {model: released.onnx}\n", "") + ANSWERS
    (folder / "distil.gate.yaml").write_text(text)
    gate(folder, "--measure")
    assert run_command(["baseline", "diff"]) == 5
    assert run_command(["baseline", "update", "--reason", "release 1", "-q"]) == 0
    assert json.loads((folder / "distil.baseline.json").read_text())["reason"] == "release 1"
    found = gate(folder, "--measure")[1]
    assert found["params"]["status"] == "pass"
    capsys.readouterr()
    save_matmuls(folder / "student.onnx", width=64, layers=3, seed=2)
    assert run_command(["baseline", "diff"]) == 0
    assert "+1 MatMul" in capsys.readouterr().out
    assert run_command(["baseline", "update", "--reason", "release 2", "-q"]) == 0
    history = json.loads((folder / "distil.baseline.json").read_text())["history"]
    assert [change["reason"] for change in history] == ["release 2", "release 1"]


def test_seed_writes_the_first_baseline_of_what_passed(folder: Path) -> None:
    (folder / "distil.gate.yaml").write_text(
        "schema: 1\ncandidate: student.onnx\nbaseline: {missing: seed}\nbudgets:\n"
        "  - {id: size, metric: file_bytes, max: 1MiB}\n"
        "  - {id: grown, metric: file_bytes, vs: baseline, max_increase: 0%}\n"
    )
    assert gate(folder, "--measure")[0] == 0
    assert (folder / "distil.baseline.onnx").read_bytes() == (folder / "student.onnx").read_bytes()
    code, found = gate(folder)
    assert (code, found["grown"]["status"]) == (0, "pass")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("feeds: {predictions: answers.npz}\n", "", "a budget on answers needs data"),
        ("answers.npz", "absent.npz", "absent.npz: can't be read"),
        ("answers.npz", "student.onnx", "student.onnx: is no npz file"),
        ("answers.npz}", "answers.npz, task: r.yaml}", "feeds.predictions: stands beside `task`"),
        ("teacher.onnx", "absent.onnx", "absent.onnx: no such file"),
    ],
)
def test_what_cannot_be_measured_is_named_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    (folder / "distil.gate.yaml").write_text((HEAD + ANSWERS).replace(old, new))
    assert run_command(["gate", "--measure", "-q"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.serial
def test_time_and_memory_are_measured_in_turns(folder: Path) -> None:
    (folder / "distil.gate.yaml").write_text(
        HEAD
        + "budgets:\n"
        + "  - {id: speed, metric: latency.p50, vs: teacher, min_speedup: 1.2x}\n"
        + "  - {id: same, metric: latency.p50, vs: baseline, max_increase: 100%}\n"
        + "  - {id: memory, metric: memory.peak_rss_delta, max: 1000MiB}\n"
    )
    code, found = gate(folder, "--measure")
    assert code in (0, 3)
    assert found["memory"]["status"] == "pass"
    assert found["same"]["status"] == "pass"
    assert run_command(["gate", "-q", "--benchmark-json", "bench.json"]) == code
    rows = json.loads((folder / "bench.json").read_text())["benchmarks"]
    assert "student" in {row["extra_info"]["subject"] for row in rows}
