"""The published schemas: JSON, by the names that files use, and true of a recipe that loads."""

from __future__ import annotations

import json

from compress.gate.schema import gate_schema
from compress.recipe.schema import recipe_schema


def test_schemas_are_json_and_name_what_files_name() -> None:
    recipe, gate = recipe_schema(), gate_schema()
    assert json.loads(json.dumps(recipe))["properties"]["schema"]["const"] == 1
    assert set(gate["properties"]) == {
        *("schema", "from", "budgets", "waivers"),
        *("candidate", "teacher", "baseline", "pinned", "feeds", "max_age"),
    }
    assert recipe["additionalProperties"] is False
    assert "task" in recipe["required"]
    assert "$schema" in gate


def test_a_number_with_a_unit_is_text_with_a_pattern() -> None:
    limits = recipe_schema()["$defs"]["Budget"]["properties"]
    assert limits["max_drop"]["anyOf"][0]["pattern"].endswith(r"(pp)\s*$")
    assert limits["max"]["anyOf"][0]["type"] == ["string", "number"]
    assert {"type": "number", "exclusiveMinimum": 0} in limits["max_ratio"]["anyOf"]
