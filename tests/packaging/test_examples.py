"""The scripts of examples and benchmarks against the code they use: they run for hours, rarely."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*(ROOT / "examples").glob("*/*.py"), *(ROOT / "benchmarks/suites").glob("*.py")])
OURS = {"benchmarks", "compress", "exporters"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_name_that_a_script_imports_from_us_is_there(script: Path) -> None:
    """time_to_accuracy.py once named a constant that had moved to another module."""
    absent = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in OURS
        for alias in node.names
        if not hasattr(importlib.import_module(str(node.module)), alias.name)
    ]
    assert absent == []
