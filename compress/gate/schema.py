"""The published JSON Schema of a gate file, for editors."""

from __future__ import annotations

from typing import Any

from compress.gate.gate_file import GateFile
from compress.recipe.schema import node_schema


def gate_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of distil.gate.yaml."""
    return node_schema(GateFile, title="distil gate file")
