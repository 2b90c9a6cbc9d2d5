"""How long a user waits before anything happens."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

ROOT = Path(__file__).parents[2]


def _start(*arguments: str, cwd: Path) -> None:
    command = [sys.executable, "-P", "-m", "compress", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=cwd, env=environment, capture_output=True, check=True)


@pytest.mark.parametrize("verb", ["", "run", "gate"])
def test_help(benchmark: BenchmarkFixture, tmp_path: Path, verb: str) -> None:
    arguments = [part for part in (verb, "--help") if part]
    benchmark.pedantic(lambda: _start(*arguments, cwd=tmp_path), rounds=10, warmup_rounds=1)


def test_gate_on_a_finished_run(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Everything `distil gate` does, on the shortest report that a budget can be judged by."""
    budget = "{id: size, metric: file_bytes, max: 300KiB}"
    (tmp_path / "distil.gate.yaml").write_text(f"schema: 1\nfrom: [run]\nbudgets: [{budget}]\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.json").write_text(json.dumps(_report()))
    benchmark.pedantic(lambda: _start("gate", cwd=tmp_path), rounds=10, warmup_rounds=1)


def _report() -> dict[str, object]:
    from compress.gate.evidence import empty_report
    from compress.report.serialise import encode_report
    from compress.values import SizeStep

    size = SizeStep(stage="student float32", size_bytes=1000, validation_accuracy=None)
    report = replace(empty_report("bench"), sizes=(size,))
    encoded: dict[str, object] = json.loads(encode_report(report).report)
    return encoded
