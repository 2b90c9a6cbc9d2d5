"""Scripts and recipes of examples and benchmarks, which run for hours and rarely, against the code
that they use."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
import yaml

from compress.recipe.load import load_recipe
from compress.recipe.nodes import Recipe

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*(ROOT / "examples").glob("*/*.py"), *(ROOT / "benchmarks/suites").glob("*.py")])
DOCUMENTS = sorted((ROOT / "examples").glob("*/*.yaml"))
# What tells a recipe from a gate file and any other document.
RECIPES = [path for path in DOCUMENTS if "task" in yaml.safe_load(path.read_text(encoding="utf-8"))]
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


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_recipe_of_the_examples_is_one(path: Path) -> None:
    """As written: its schema, and all that it must agree on with itself; no data is there."""
    recipe = load_recipe(path).recipe
    assert isinstance(recipe, Recipe)
    assert recipe.name


def test_the_recipes_of_the_examples_are_found() -> None:
    names = {f"{path.parent.name}/{path.name}" for path in RECIPES}
    assert {"fashion/auto.yaml", "fashion/blackbox.yaml", "glosses/auto.yaml"} <= names
    assert len(names) >= 10
