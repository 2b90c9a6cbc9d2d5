"""Two baselines at once, and budgets that say that they are to be tightened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compress.cli.main import run_command
from compress.errors import RecipeError
from compress.gate.gate_file import load_gate
from tests.matmul_models import save_matmuls

GATE = """\
schema: 1
candidate: student.onnx
baseline: {missing: warn}
pinned: {store: distil.pinned.json}
feeds: {predictions: answers.npz}
budgets:
  - {id: step, metric: params, vs: baseline, max_increase: 30%}
  - {id: creep, metric: params, vs: pinned, max_increase: 40%}
  - {id: kept, metric: negative_flip_rate, vs: pinned, max: 5%}
  - {id: bytes, metric: file_bytes, max: 1MiB, ratchet: true}
  - {id: macs, metric: params, max: 1000000}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A student of four layers; stored answers without an error."""
    labels = np.random.default_rng(0).integers(0, 4, 2000)
    np.savez(tmp_path / "answers.npz", labels=labels, student=labels, baseline=labels)
    save_matmuls(tmp_path / "student.onnx", layers=4)
    (tmp_path / "distil.gate.yaml").write_text(GATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTIL_CACHE", str(tmp_path / "cache"))
    return tmp_path


def _gate(folder: Path, *arguments: str) -> tuple[int, dict[str, Any], list[str]]:
    kept = folder / "result.json"
    code = run_command(["gate", *arguments, "-q", "--json", str(kept)])
    result = json.loads(kept.read_text())["result"]
    return code, {v["budget"]: v for v in result["verdicts"]}, result["notes"]


def test_small_steps_that_each_pass_add_up_against_the_pinned_release(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["baseline", "update", "--reason", "release", "-q"]) == 0
    assert run_command(["baseline", "update", "--pinned", "--reason", "release", "-q"]) == 0
    assert json.loads((folder / "distil.pinned.json").read_text())["model"] == "distil.pinned.onnx"
    code, found, _ = _gate(folder, "--measure")
    assert code == 0
    assert list(found) == ["step", "creep", "kept", "bytes", "macs"]  # in the order of the file
    for layers, expected in ((5, "pass"), (6, "violated")):
        save_matmuls(folder / "student.onnx", layers=layers)
        code, found, _ = _gate(folder, "--measure")
        assert (found["step"]["status"], found["creep"]["status"]) == ("pass", expected)
        assert found["kept"]["status"] == "pass"
        assert run_command(["baseline", "update", "--reason", f"{layers} layers", "-q"]) == 0
    assert code == 1
    capsys.readouterr()
    assert run_command(["gate", "--explain", "creep"]) == 1
    said = capsys.readouterr().out
    assert "+50 %" in said
    assert "+2 MatMul" in said
    assert run_command(["baseline", "diff", "--pinned"]) == 0
    assert "+2 MatMul" in capsys.readouterr().out


def test_a_missing_pinned_baseline_is_named_with_its_own_command(folder: Path) -> None:
    assert run_command(["baseline", "update", "--reason", "release", "-q"]) == 0
    code, found, _ = _gate(folder, "--measure")
    assert code == 5
    assert found["step"]["status"] == "pass"
    assert found["creep"]["status"] == "unmeasured"
    assert "`distil baseline update --pinned --reason ..`" in found["creep"]["reason"]


def test_a_marked_budget_says_that_it_has_room_and_the_command_tightens_it_alone(
    folder: Path,
) -> None:
    text = "".join(line for line in GATE.splitlines(True) if "vs: " not in line)
    (folder / "distil.gate.yaml").write_text(text)
    size = (folder / "student.onnx").stat().st_size
    code, _, notes = _gate(folder, "--measure")
    assert code == 0
    assert notes == [f"bytes has room: `distil gate ratchet` would write max: {size}B"]
    assert (folder / "distil.gate.yaml").read_text() == text
    assert run_command(["gate", "ratchet", "-q"]) == 0
    budgets = {budget.id: budget for budget in load_gate("distil.gate.yaml").budgets}
    assert (budgets["bytes"].max, budgets["macs"].max) == (f"{size}B", "1000000")
    assert _gate(folder)[2] == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pinned: {store: distil.pinned.json}\n", "", "speaks of no pinned baseline"),
        ("{store: distil.pinned.json}", "{}", "is the file that `baseline` is"),
        ("max_increase: 30%}", "max_increase: 30%, ratchet: true}", "a number without noise"),
    ],
)
def test_what_can_not_be_is_refused_at_its_line(
    folder: Path, old: str, new: str, said: str
) -> None:
    (folder / "distil.gate.yaml").write_text(GATE.replace(old, new))
    with pytest.raises(RecipeError, match=said):
        load_gate("distil.gate.yaml")
