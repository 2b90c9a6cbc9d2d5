"""`targets:` in a recipe: a file, a report and verdicts for each, from one training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from benchmarks.environment import machine_fingerprint
from compress.cli.main import run_command
from compress.errors import InputError
from compress.pipeline.recheck import recheck
from compress.pipeline.run import RunResult, plan, run
from compress.pipeline.verify import verify_run
from compress.report.serialise import load_report
from exporters.inspect import inspect_model

pytestmark = pytest.mark.slow  # a run of three targets: a minute

TARGETS = """
targets:
  - {id: server, batch: [1], epochs: 3, quantize: {kind: static, samples: 64, max_drop: 10pp}}
  - {id: plain, batch: [2], epochs: 3}
  - {id: arm, cpu_flags: [asimd], quantize: {kind: static, samples: 64, max_drop: 10pp}}
budgets:
  - {id: accuracy, metric: accuracy, vs: teacher, max_drop: 20pp}
  - {id: fast, metric: latency.p50, max: 1s, on: server, on_inconclusive: warn}
  - {id: small, metric: file_bytes, max: 1KiB, on: plain}
"""


@pytest.fixture(scope="module")
def recipe(shapes: Path) -> Path:
    kept, skip = [], False
    for line in (shapes / "recipe.yaml").read_text().splitlines():
        skip = line.startswith("budgets:") or (skip and line.startswith(" "))
        if not skip and not line.startswith(("bench:", "quantize:")):
            kept.append(line)
    made = shapes / "targets.yaml"
    made.write_text("\n".join(kept) + TARGETS)
    return made


@pytest.fixture(scope="module")
def finished(recipe: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    if "avx2" not in machine_fingerprint()["cpu_flags"].split():
        pytest.fail("this test takes an ARM target for one that can't be measured")
    return run(recipe, out=tmp_path_factory.mktemp("out") / "run", cache=store)


def _activations(path: Path) -> set[str]:
    graph = onnx.load(path).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    points = (n.input[2] for n in graph.node if n.op_type == "QuantizeLinear")
    return {str(stored[name].dtype) for name in points}


def test_each_target_has_its_own_file(finished: RunResult) -> None:
    folder = finished.folder
    precisions = {
        name: inspect_model(folder / f"student.{name}.onnx").precision
        for name in ("server", "plain", "arm")
    }
    assert precisions == {"server": "int8", "plain": "float32", "arm": "int8"}
    assert _activations(folder / "student.server.onnx") == {"uint8"}
    assert _activations(folder / "student.arm.onnx") == {"int8"}
    main = (folder / "student.onnx").read_bytes()
    assert main == (folder / "student.server.onnx").read_bytes()
    assert verify_run(folder) == ()


def test_each_target_has_its_own_verdicts_and_what_is_not_measured_passes_nothing(
    finished: RunResult,
) -> None:
    assert [(v.budget, v.status) for v in finished.report.verdicts] == [
        ("accuracy.server", "pass"),
        ("fast", "pass"),
        ("accuracy.plain", "pass"),
        ("small", "violated"),
        ("accuracy.arm", "unmeasured"),
    ]


def test_each_target_has_its_own_report(finished: RunResult) -> None:
    reports = {
        name: load_report(finished.folder / f"report.{name}.json")
        for name in ("server", "plain", "arm")
    }
    cells = {
        name: report.measured and report.measured.measurements[0].cells[0].setting.batch
        for name, report in reports.items()
    }
    assert cells == {"server": 1, "plain": 2, "arm": None}
    assert all(report.export.parity.passed for report in reports.values())
    assert [len(report.qualities) for report in reports.values()] == [2, 2, 0]
    for name in reports:
        assert (finished.folder / f"report.{name}.html").is_file()
    (arm,) = [note for note in finished.report.notes if note.startswith("Target arm")]
    assert "not measured: this processor has no asimd" in arm


def test_the_student_is_trained_once(finished: RunResult) -> None:
    names = [stage.stage for stage in finished.report.stages]
    assert len(names) == len(set(names))
    assert [name for name in names if name.startswith("train")] == ["train"]
    assert {"measure", "measure.plain", "judge.plain", "quantize.arm"} <= set(names)
    assert "measure.arm" not in names


def test_a_second_run_is_all_hits_and_ends_as_unmeasured(
    recipe: Path,
    store: Path,
    finished: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planned = plan(recipe, cache=store)
    assert all(stage.hit for stage in planned)
    assert "measure.plain" in {stage.stage for stage in planned}
    monkeypatch.setenv("DISTIL_CACHE", str(store))
    assert run_command(["run", str(recipe), "--out", str(tmp_path / "again"), "-q"]) == 2
    for name in ("student.onnx", "student.plain.onnx", "student.arm.onnx", "predictions.npz"):
        again = np.frombuffer((tmp_path / "again" / name).read_bytes(), dtype=np.uint8)
        first = np.frombuffer((finished.folder / name).read_bytes(), dtype=np.uint8)
        np.testing.assert_array_equal(again, first)


def test_a_run_of_several_targets_is_not_rechecked(
    finished: RunResult, recipe: Path, store: Path
) -> None:
    with pytest.raises(InputError, match="the run has several targets"):
        recheck(finished.folder, recipe_folder=recipe.parent, cache=store)
