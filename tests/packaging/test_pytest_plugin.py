"""The pytest plugin, in a repository that has its own folders named like our packages."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from compress.gate.evidence import empty_report
from compress.gate.look import look_into
from compress.report.serialise import encode_report

ROOT = Path(__file__).parents[2]
GATE = """\
schema: 1
candidate: unused.onnx
from: [evidence/report.json]
budgets:
  - {id: size, metric: file_bytes, max: %s}
"""
TEST = 'def test_budget(model_budget):\n    model_budget("student.onnx", "distil.gate.yaml")\n'


def _model(path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((8, 8), dtype=np.float32), "w")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, ["n", 8])],
        [value("y", TensorProto.FLOAT, ["n", 8])],
        [weight],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """compress/ and benchmarks/ of its own, a model, evidence of it, and the two-line test."""
    for name in ("compress", "benchmarks", "exporters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the wrong package')\n")
    _model(tmp_path / "student.onnx")
    import dataclasses

    report = dataclasses.replace(
        empty_report("student"),
        created_at="2026-11-24T00:00:00Z",
        models=(look_into(tmp_path / "student.onnx", "student"),),
    )
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "report.json").write_text(encode_report(report).report)
    (tmp_path / "test_budgets.py").write_text(TEST)
    return tmp_path


def _pytest(folder: Path, limit: str) -> subprocess.CompletedProcess[str]:
    (folder / "distil.gate.yaml").write_text(GATE % limit)
    # Loaded by name, whether the package is installed here or not; `python -m pytest` would put the
    # folder itself first.
    start = (
        f"import sys; sys.path[:0] = [{str(folder)!r}]; sys.path.append({str(ROOT)!r}); "
        "import pytest; code = pytest.main(['-q', '-p', 'no:distil', '-p', 'distil_pytest', "
        "'-p', 'no:cacheprovider', '-p', 'no:randomly', 'test_budgets.py']); "
        "print('torch' in sys.modules, 'compress' in sys.modules); sys.exit(code)"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", start],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_test_of_two_lines_passes_and_loads_no_torch(repository: Path) -> None:
    done = _pytest(repository, "4KiB")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert done.stdout.rstrip().endswith("False False")


def test_a_violated_budget_fails_with_the_table(repository: Path) -> None:
    done = _pytest(repository, "100B")
    assert done.returncode == 1
    assert "distil gate: exit code 1" in done.stdout
    assert "violated" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_model_without_evidence_fails(repository: Path) -> None:
    _model(repository / "other.onnx")
    data = (repository / "other.onnx").read_bytes()
    (repository / "student.onnx").write_bytes(data + b"\x08\x0a")  # the same version field again
    done = _pytest(repository, "4KiB")
    assert done.returncode == 1
    assert "exit code 2" in done.stdout
    assert "set aside" in done.stdout


def test_the_entry_point_is_outside_the_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"distil": "distil_pytest"}
    assert project["tool"]["setuptools"]["py-modules"] == ["distil_pytest"]
