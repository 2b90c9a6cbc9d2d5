"""The published JSON Schema of a recipe, for editors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from compress.recipe.nodes import Recipe

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of recipe.yaml."""
    return node_schema(Recipe, title="distil recipe")


def node_schema(node: type[BaseModel], *, title: str) -> dict[str, Any]:
    """JSON Schema of one node, by the names that are written in files."""
    schema = node.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": _DRAFT, **schema, "title": title}
