"""What every stage of one run may look at: the recipe, the task, the machine, the versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from compress.recipe.nodes import Controls, LabelsLoss, NoQuantize, Recipe
from compress.tasks.data import Task
from exporters.builds import installed_builds


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
        """The control rows wanted; of `all` those that say something: labels alone are a control of
        distillation, a quantized teacher one of quantization."""
        recipe = self.recipe
        if recipe.controls == "none":
            return Controls()
        if recipe.controls == "all":
            taught = recipe.teacher is not None
            return Controls(
                labels_only=taught
                and self.task.outputs == "classes"
                and not isinstance(recipe.distill.loss, LabelsLoss),
                teacher_quantized=taught and not isinstance(recipe.quantize, NoQuantize),
            )
        return recipe.controls


def versions_of(*packages: str) -> dict[str, str]:
    """Versions of installed packages, for stage keys and reports."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    if found.get("onnxruntime") == "absent":  # the build for GPUs has the package's name alone
        found |= installed_builds()
    return found
