"""A baseline whose file is absent answers by what is stored of it, where that still holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gate_rows import ACCURACY, BY_TASK, judged, save_rows, sliced, write_project

from compress.cli.main import run_command
from compress.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_project(tmp_path)


VS_BASELINE = "  - {id: kept, metric: accuracy, vs: baseline, max_drop: 9pp}\n"


@pytest.mark.parametrize(
    ("precision", "changes", "status", "said"),
    [
        ("int8", {}, "pass", "20 groups of 600 samples"),
        ("int8", {"cpu_model": "other"}, "inconclusive", "another CPU: other then"),
        ("int8", {"cpu_flags": ["amx_tile"]}, "inconclusive", "another CPU"),
        ("int8", {"onnxruntime": "1.0"}, "inconclusive", "another onnxruntime: 1.0 then"),
        ("float32", {"cpu_model": "other"}, "pass", "20 groups of 600 samples"),
    ],
)
def test_stored_answers_of_a_quantized_baseline_are_those_of_its_machine(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    changes: dict[str, Any],
    status: str,
    said: str,
) -> None:
    monkeypatch.chdir(folder)
    save_rows(folder / "student.onnx", pixels=4)
    judged(folder, BY_TASK + ACCURACY)
    assert run_command(["baseline", "update", "--reason", "release", "-q"]) == 0
    model, store = folder / "distil.baseline.onnx", folder / "distil.baseline.json"
    stored = json.loads(store.read_text())
    stored["facts"]["precision"] = precision
    stored["answered_on"] |= changes
    store.write_text(json.dumps(stored))
    released = model.read_bytes()
    model.unlink()
    save_rows(folder / "student.onnx", pixels=3)
    found = judged(folder, BY_TASK + VS_BASELINE)["kept"]
    assert (found.status, said in found.reason) == (status, True), found.reason
    model.write_bytes(released)  # with the file at hand it answers here
    again = judged(folder, BY_TASK + VS_BASELINE)["kept"]
    assert again.status == "pass"


def test_stored_answers_do_not_pass_for_every_slice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    judged(folder, BY_TASK + ACCURACY)
    assert run_command(["baseline", "update", "--reason", "release", "-q"]) == 0
    (folder / "distil.baseline.onnx").unlink()
    text = BY_TASK + (sliced("class") + sliced("all")).replace("vs: teacher", "vs: baseline")
    found = judged(folder, text)
    assert found["class"].status == "pass"
    assert (found["all"].status, found["all"].missing) == ("unmeasured", "baseline")
    assert "give no slices by confidence and corruption" in found["all"].reason
    (folder / "distil.baseline.npz").write_bytes(b"")
    save_rows(folder / "student.onnx", pixels=3)
    with pytest.raises(InputError, match="is not what the baseline answered"):
        judged(folder, text)
