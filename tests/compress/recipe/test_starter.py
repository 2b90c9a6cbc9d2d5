"""What `distil init` writes loads as it stands, and the schemas describe it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import yaml

from compress.gate.gate_file import load_gate
from compress.gate.schema import gate_schema
from compress.recipe import starter
from compress.recipe.load import load_recipe
from compress.recipe.schema import recipe_schema


def test_the_starter_recipe_and_gate_load(tmp_path: Path) -> None:
    recipe, gate = tmp_path / "recipe.yaml", tmp_path / "distil.gate.yaml"
    recipe.write_text(starter.starter_recipe())
    gate.write_text(starter.starter_gate())
    loaded = load_recipe(recipe)
    assert [budget.id for budget in loaded.recipe.budgets] == ["accuracy", "speed", "size"]
    assert load_gate(gate).sources == (tmp_path / "runs" / loaded.recipe.name,)


def test_the_commented_waiver_of_the_starter_gate_loads(tmp_path: Path) -> None:
    text = starter.starter_gate()
    head, _, tail = text.partition("# waivers:\n")
    path = tmp_path / "distil.gate.yaml"
    path.write_text(head + "waivers:\n" + tail.replace("#   -", "  -"))
    assert load_gate(path).waivers[0].budget == "size"


def test_the_starter_model_has_the_targets_of_the_recipe() -> None:
    names = {node.name for node in ast.parse(starter.starter_model()).body if hasattr(node, "name")}
    assert {"teacher", "student"} <= names


def test_the_workflows_are_yaml_that_runs_the_gate() -> None:
    for service in ("github", "gitlab"):
        text = starter.starter_workflow(service)  # type: ignore[arg-type]
        assert yaml.safe_load(text)
        assert "distil gate distil.gate.yaml" in text


def test_schemas_are_json_and_name_what_files_name() -> None:
    recipe, gate = recipe_schema(), gate_schema()
    assert json.loads(json.dumps(recipe))["properties"]["schema"]["const"] == 1
    assert set(gate["properties"]) == {"schema", "from", "budgets", "waivers"}
    assert recipe["additionalProperties"] is False
    assert recipe["$defs"]["Budget"]["properties"]["max_drop"]["anyOf"][0]["type"] == "string"
    assert "task" in recipe["required"]
