"""pytest plugin: `def test_budget(model_budget): model_budget("student.onnx", "distil.gate.yaml")`.

It stands beside the packages and not inside `compress`: `python -m pytest` puts the user's folder
first on the path, and a repository may hold a folder of that name. The gate runs in a child, which
finds this installation whatever lies in that folder; nothing heavy is imported here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HOME = Path(__file__).resolve().parent  # where compress, benchmarks and exporters are installed
TIMEOUT_S = 600

ModelBudget = Callable[..., dict[str, Any]]


@pytest.fixture
def model_budget(request: pytest.FixtureRequest) -> ModelBudget:
    """model_budget(model, gate_file, measure=False, baseline_ref=None) -> the verdicts.

    Paths are relative to pytest's root folder. The test fails with the table of verdicts unless
    every budget of level `error` is met; what was not measured fails too. measure: first run what
    is missing, on this machine.
    """
    root = request.config.rootpath

    def judge(
        model: str | os.PathLike[str],
        gate: str | os.PathLike[str] = "distil.gate.yaml",
        *,
        measure: bool = False,
        baseline_ref: str | None = None,
    ) -> dict[str, Any]:
        __tracebackhide__ = True
        arguments = [os.path.join(root, gate), "--candidate", os.path.join(root, model)]
        arguments += ["--measure"] if measure else []
        arguments += [] if baseline_ref is None else ["--baseline-ref", baseline_ref]
        code, said, result = run_gate(arguments, cwd=root)
        if code:
            pytest.fail(f"distil gate: exit code {code}\n{said}", pytrace=False)
        return result

    return judge


def run_gate(arguments: list[str], *, cwd: Path) -> tuple[int, str, dict[str, Any]]:
    """`distil gate` in a child: exit code, what it said, and its verdicts by budget."""
    with tempfile.TemporaryDirectory(prefix="distil-") as folder:
        kept = Path(folder) / "gate.json"
        environment = {**os.environ, "PYTHONPATH": _path()}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "compress", "gate", *arguments, "-q", "--json", str(kept)],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
        try:
            document = json.loads(kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            document = {}
    verdicts = (document.get("result") or {}).get("verdicts", [])
    return done.returncode, done.stdout + done.stderr, {v["budget"]: v for v in verdicts}


def _path() -> str:
    """This installation first, then what the user has set."""
    given = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([str(HOME), given]) if given else str(HOME)
