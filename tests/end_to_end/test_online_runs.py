"""A recipe whose teacher answers in the training loop: layers, mixtures, parts of a batch."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from compress.errors import RecipeError
from compress.pipeline.run import run
from compress.recipe.load import load_recipe
from exporters.weights import load_weights

OPTIONS = """
distill:
  loss:
    kind: sum
    terms:
      - {loss: {kind: kd, temperature: 1, weight: 1}}
      - loss: {kind: hint, weight: 1, layers: [{student: features, teacher: features}]}
        warmup: 0.2
  mixup: 0.5
  accumulate: 2
  schedule: cosine
  patience: 3
  epochs: 2
  batch: 64
  learning_rate: 0.05
  average: 0.9
"""
REFUSED = {
    "mixup and a class index": ("loss: dkd, mixup: 1", "dkd splits off the class"),
    "float16 on a CPU": ("loss: labels, precision: float16", "float16 trains on CUDA alone"),
    "no averaged weights": ("loss: kd, teach_by: average, average: 0", "can't teach"),
    "more parts than samples": ("loss: labels, batch: 8, accumulate: 9", "leave nothing"),
    "neighbours in other parts": ("loss: pkt, accumulate: 2", "pkt compares the samples"),
    "neighbours elsewhere": ("loss: dist, processes: 2", "each process lacks those of the others"),
}


def recipe(folder: Path, distill: str) -> Path:
    text = (folder / "recipe.yaml").read_text()
    before, _, rest = text.partition("distill:")
    _, _, after = rest.partition("quantize:")
    path = folder / "online.yaml"
    path.write_text(f"{before}{distill.strip()}\nquantize:{after}")
    return path


@pytest.mark.slow
def test_a_recipe_trains_on_layers_of_a_teacher_in_the_loop(shapes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(shapes, folder)
    out = tmp_path / "run"
    result = run(
        recipe(folder, OPTIONS),
        out=out,
        cache=tmp_path / "cache",
    )
    assert not [s.stage for s in result.report.stages if s.stage.startswith("teacher-outputs")]
    assert result.report.history is not None
    assert len(result.report.history.epochs) == 2
    names = set(load_weights(out / "student.safetensors"))
    assert {name.split(".")[0] for name in names} == {"features", "head"}


@pytest.mark.parametrize("name", REFUSED)
def test_options_that_do_not_fit_are_refused_before_anything(
    tmp_path: Path, shapes: Path, name: str
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(shapes, folder)
    keys, words = REFUSED[name]
    with pytest.raises(RecipeError, match=words):
        load_recipe(recipe(folder, f"distill: {{{keys}}}"))
