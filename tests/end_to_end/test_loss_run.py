"""A recipe whose loss is a sum over outputs and inner layers, run from end to end."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from safetensors import safe_open

from compress.errors import RecipeError
from compress.pipeline.run import run

LOSS = """{kind: sum, terms: [
  {loss: {kind: kd, standardize: true, temperature: 2}},
  {loss: {kind: dkd, beta: 2, label_weight: 0}, weight: 0.2},
  {loss: {kind: hint, layers: [{student: features.2, teacher: features.2}]}, weight: 0.01,
   warmup: 0.2}]}"""


@pytest.mark.slow
def test_a_sum_with_a_hint_trains_and_ships_the_student_alone(shapes: Path, tmp_path: Path) -> None:
    settings = (f"distill.loss={LOSS}", "distill.epochs=2", "quantize={kind: none}", "budgets=[]")
    done = run(shapes / "recipe.yaml", out=tmp_path / "run", cache=tmp_path, overrides=settings)
    with safe_open(done.folder / "student.safetensors", "pt") as weights:
        names = set(weights.keys())
    assert {name.split(".")[0] for name in names} == {"features", "head"}
    graph = onnx.load(done.folder / "student.onnx").graph
    assert all("adapter" not in tensor.name for tensor in graph.initializer)


def test_a_class_based_loss_with_mixup_is_refused_before_the_run(
    shapes: Path, tmp_path: Path
) -> None:
    settings = ("distill.loss={kind: sum, terms: [{loss: kd}, {loss: dkd}]}", "distill.mixup=1.0")
    with pytest.raises(RecipeError, match="dkd splits off the class of each sample"):
        run(shapes / "recipe.yaml", out=tmp_path / "run", cache=tmp_path, overrides=settings)
    assert not (tmp_path / "run").exists()
