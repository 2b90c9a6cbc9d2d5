"""What a search found, as text that a recipe takes."""

from __future__ import annotations

from pathlib import Path

import yaml

from compress.pipeline.search import found_text
from compress.recipe.load import load_recipe

RECIPE = """\
schema: 1
name: fashion
task: {kind: image-arrays, source: fashion-mnist}
teacher: {kind: torch, target: "model.py:teacher", weights: teacher.safetensors}
student: {kind: factory, name: residual, widths: [48, 72], depth: 2, stem: 16, stride: 2}
distill: {loss: {kind: kd}, epochs: 23}
quantize: {kind: static, samples: 99, max_drop: 100pp}
"""


def test_a_recipe_with_the_found_text_is_the_recipe_that_was_run(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    ran = load_recipe(path).recipe
    said = yaml.safe_load(found_text(ran, ran.student))
    assert set(said) == {"student", "quantize", "distill"}
    asked = yaml.safe_load(RECIPE) | {
        "student": said["student"],
        "quantize": said["quantize"],
        "distill": {"loss": {"kind": "kd"}, **said["distill"]},
    }
    path.write_text(yaml.safe_dump(asked), encoding="utf-8")
    assert load_recipe(path).recipe == ran
