"""Losses in a recipe: what loads, and the one line that a mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.errors import RecipeError
from compress.recipe.load import load_recipe
from compress.recipe.loss_nodes import DkdLoss, KdLoss, LabelsLoss, LossNode, RkdLoss, SumLoss
from compress.recipe.schema import recipe_schema

RECIPE = """\
schema: 1
name: shapes
task: {kind: python, target: "project.py:data"}
teacher: {kind: torch, target: "project.py:teacher", weights: teacher.safetensors}
student: {kind: python, target: "project.py:student"}
distill:
  loss: LOSS
"""
KINDS = (
    "labels, kd, hard, regression, dkd, dist, nkd, focal, hint, attention, pkt, rkd, embedding, "
    "relations, distilbert"
)


def load(folder: Path, loss: str, *, teacher: bool = True) -> LossNode:
    text = RECIPE.replace("LOSS", loss)
    if not teacher:
        text = "\n".join(line for line in text.splitlines() if not line.startswith("teacher"))
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path).recipe.distill.loss


def test_defaults_are_those_of_the_sources(tmp_path: Path) -> None:
    hinton = load(tmp_path, "kd")
    assert isinstance(hinton, KdLoss)
    assert (hinton.temperature, hinton.weight, hinton.standardize) == (4.0, 0.9, False)
    decoupled = load(tmp_path, "dkd")
    assert isinstance(decoupled, DkdLoss)
    assert (decoupled.alpha, decoupled.beta, decoupled.temperature) == (1.0, 8.0, 4.0)
    assert (decoupled.label_weight, decoupled.warmup) == (1.0, 0.08)


def test_a_sum_takes_kinds_alone_or_with_their_settings(tmp_path: Path) -> None:
    loss = load(
        tmp_path,
        "{kind: sum, terms: [{loss: labels}, "
        "{loss: {kind: rkd, angle: 0}, weight: 2, warmup: 0.1}]}",
    )
    assert isinstance(loss, SumLoss)
    assert isinstance(loss.terms[0].loss, LabelsLoss)
    assert isinstance(loss.terms[1].loss, RkdLoss)
    assert (loss.terms[1].weight, loss.terms[1].warmup) == (2.0, 0.1)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("kdd", f"distill.loss.kind: no kind 'kdd'; kinds: {KINDS}, sum"),
        ("{kind: dkd, betta: 2}", "distill.loss.betta: unknown key 'betta'; did you mean 'beta'?"),
        ("{kind: kd, weight: 9}", "a weight above 1 leaves open what the labels weigh; write `lab"),
        ("{kind: kd, temperature: 0}", "distill.loss.temperature: should be greater than 0"),
        ("{kind: kd, form: sigmod}", "'sigmod' is not one of softmax, sigmoid; did you mean 'sigm"),
        ("{kind: hint}", "distill.loss.layers: is missing"),
        ("{kind: hint, layers: []}", "distill.loss.layers: needs 1 or more entries"),
        ("{kind: hint, layers: [{student: a}]}", "distill.loss.layers[0].teacher: is missing"),
        ("{kind: sum, terms: []}", "distill.loss.terms: needs 1 or more entries"),
        ("{kind: sum, terms: [{weight: 2}]}", "distill.loss.terms[0].loss: is missing"),
        (
            "{kind: sum, terms: [{loss: kdd}]}",
            f"distill.loss.terms[0].loss.kind: no kind 'kdd'; kinds: {KINDS}; did you mean 'kd'?",
        ),
        (
            "{kind: sum, terms: [{loss: {kind: rkd, angel: 1}}]}",
            "distill.loss.terms[0].loss.angel: unknown key 'angel'; did you mean 'angle'?",
        ),
    ],
)
def test_a_mistake_in_a_loss_is_one_line_with_its_place(
    tmp_path: Path, loss: str, said: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, loss)
    message = str(caught.value)
    assert said in message
    assert message.startswith(f"{tmp_path / 'recipe.yaml'}:7:")
    assert "\n" not in message


@pytest.mark.parametrize("loss", ["dist", "{kind: sum, terms: [{loss: labels}, {loss: pkt}]}"])
def test_a_loss_that_compares_needs_a_teacher(tmp_path: Path, loss: str) -> None:
    with pytest.raises(RecipeError, match="needs a teacher; write `teacher:`"):
        load(tmp_path, loss, teacher=False)


@pytest.mark.parametrize("loss", ["labels", "{kind: sum, terms: [{loss: labels}]}"])
def test_labels_need_none(tmp_path: Path, loss: str) -> None:
    assert load(tmp_path, loss, teacher=False).kind in ("labels", "sum")


def test_the_schema_names_every_kind() -> None:
    mapping = recipe_schema()["$defs"]["Distill"]["properties"]["loss"]["discriminator"]["mapping"]
    assert {*KINDS.split(", "), "sum"} <= set(mapping)


def test_the_page_on_losses_has_a_row_for_every_kind() -> None:
    page = (Path(__file__).parents[3] / "docs" / "distillation.md").read_text(encoding="utf-8")
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert rows == [*KINDS.split(", "), "sum"]
