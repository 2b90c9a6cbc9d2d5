"""Each scheme of a recipe on a small text transformer, from one training."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from compress.pipeline.run import run
from compress.recipe.targets import load_target
from exporters.inspect import inspect_model

SAYINGS = Path(__file__).parents[1] / "projects" / "sayings"
OPERATORS = {
    "static": {"com.microsoft.MatMulIntegerToFloat", "QuantizeLinear"},
    "dynamic": {"com.microsoft.MatMulIntegerToFloat", "DynamicQuantizeLinear"},
    "weight-only": {"com.microsoft.MatMulNBits"},
    "float16": {"Cast"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sayings") / "project"
    shutil.copytree(SAYINGS, made, ignore=shutil.ignore_patterns("__pycache__"))
    load_target("project.py:write_data", made)(made)
    return made


@pytest.mark.parametrize(
    "kind",
    [
        "static",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in OPERATORS if kind != "static"),
    ],
)
def test_a_scheme_that_is_asked_for_by_name_is_shipped(kind: str, folder: Path) -> None:
    done = run(
        folder / "recipe.yaml",
        out=folder.parent / kind,
        cache=folder.parent / "cache",
        overrides=[f"quantize={{kind: {kind}, max_drop: 10pp}}"],
    )
    operators = set(inspect_model(done.folder / "student.onnx").operators)
    assert operators >= OPERATORS[kind]
    decision = next(one for one in done.report.decisions if one.question == "quantize")
    assert f"`{kind}` was asked for" in decision.reason or "is faster" in decision.reason
    before, after = done.report.sizes[-2:]
    assert after.size_bytes < before.size_bytes
