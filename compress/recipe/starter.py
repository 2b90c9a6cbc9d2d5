"""What `distil init` writes: a recipe, a gate file, and CI workflows that run the gate."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal


def starter_recipe() -> str:
    """A commented recipe.yaml; it loads as it stands."""
    return _read("recipe.yaml")


def starter_gate() -> str:
    """A commented distil.gate.yaml for the run of the starter recipe."""
    return _read("distil.gate.yaml")


def starter_model() -> str:
    """The model.py that the starter recipe names."""
    return _read("model.py.txt")


def starter_workflow(service: Literal["github", "gitlab"]) -> str:
    """A CI workflow that judges the stored evidence on every change."""
    return _read(f"{service}.yaml")


def _read(name: str) -> str:
    return files("compress.recipe.starter_files").joinpath(name).read_text(encoding="utf-8")
