"""Recipes of embeddings: what fits, and what is refused with its place before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.errors import RecipeError
from compress.recipe.load import load_recipe
from compress.recipe.nodes import Recipe

RECIPE = """schema: 1
name: vectors
task: {kind: text-table, data: t.csv, tokenizer: tokenizer.json, outputs: embeddings}
teacher: {kind: python, target: "model.py:teacher"}
student: {kind: python, target: "model.py:student"}
distill: {loss: {kind: embedding, form: cosine, project: pca}}
budgets:
  - {id: similar, metric: spearman, vs: teacher, min: 0.95}
"""


def _load(folder: Path, text: str) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return load_recipe(path).recipe


@pytest.mark.parametrize(
    "loss",
    [
        "{kind: embedding, form: cosine, project: pca}",
        "{kind: embedding, form: similarity-kl}",
        "{kind: sum, terms: [{loss: pkt}, {loss: {kind: regression}, weight: 2}]}",
        "{kind: relations, layers: [{student: q, teacher: q}], heads: 12}",
    ],
)
def test_losses_on_outputs_and_layers_fit_embeddings(tmp_path: Path, loss: str) -> None:
    recipe = _load(tmp_path, RECIPE.replace("{kind: embedding, form: cosine, project: pca}", loss))
    assert f"kind: {recipe.distill.loss.kind}" in loss
    assert recipe.task.kind == "text-table"
    assert recipe.task.outputs == "embeddings"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{kind: embedding, form: cosine, project: pca}", "kd", "kd compares classes"),
        ("{kind: embedding, form: cosine, project: pca}", "auto", "auto compares classes"),
        (
            "{kind: embedding, form: cosine, project: pca}",
            "{kind: regression, label_weight: 0.5}",
            "regression compares classes",
        ),
        (
            'student: {kind: python, target: "model.py:student"}',
            "student: {kind: pruned, macs: 50%, importance: taylor}",
            "write `importance: magnitude`",
        ),
        ("form: cosine, project", "form: similarity-kl, project", "is for outputs under cosine"),
        (
            'student: {kind: python, target: "model.py:student"}',
            "student: {kind: factory, name: encoder, widths: [32]}",
            "families end in classes",
        ),
        ("outputs: embeddings}", "outputs: embeddings, classes: [a, b]}", "have no classes"),
        ("metric: spearman, vs: teacher, min: 0.95", "metric: accuracy, min: 90%", "accuracy"),
        (", outputs: embeddings", "", "spearman compares embeddings"),
        ("project: pca}}", "project: pca}, mixup: 0.5}", "tokens can't be mixed"),
        ("budgets:", "controls: {labels_only: true}\nbudgets:", "embeddings have no labels"),
        ("budgets:", "slices: {by: [class]}\nbudgets:", "judged as a whole"),
    ],
)
def test_what_needs_classes_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in RECIPE
    with pytest.raises(RecipeError) as caught:
        _load(tmp_path, RECIPE.replace(old, new))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_embeddings_need_a_teacher(tmp_path: Path) -> None:
    lines = [
        line for line in RECIPE.splitlines() if "teacher" not in line and "budgets" not in line
    ]
    with pytest.raises(RecipeError, match=r"needs a teacher|from a teacher alone"):
        _load(tmp_path, "\n".join(lines))
