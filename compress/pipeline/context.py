"""What every stage of one run may look at: the recipe, the task, the machine, the versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from compress.recipe.nodes import Controls, Recipe
from compress.tasks.data import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """threads: what training and calibration use; timing uses the recipe's own."""

    recipe: Recipe
    folder: Path  # of the recipe: where its paths begin
    cache: Path
    data_folder: Path | None
    task: Task
    machine: Mapping[str, str]
    threads: int

    @property
    def controls(self) -> Controls:
        """The control rows wanted; none where the recipe says so."""
        wanted = self.recipe.controls
        return Controls() if wanted == "none" else wanted


def versions_of(*packages: str) -> dict[str, str]:
    """Versions of installed packages, for stage keys and reports."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
