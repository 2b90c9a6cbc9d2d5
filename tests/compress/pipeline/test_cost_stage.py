"""Which operators of a quantized student cost most: of texts, in every scheme of a recipe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from compress.pipeline.context import Context
from compress.pipeline.run import prepare
from compress.pipeline.stage import Inputs
from compress.pipeline.stages.costs import cost_notes, costs_need, costs_of
from compress.pipeline.stages.exporting import EXPORT, FLOAT_FILE
from compress.pipeline.stages.mixing import MIX_FILE, mix_of
from compress.pipeline.stages.quantizing import QUANTIZE
from compress.quantize.sensitivity import Costs
from compress.recipe.load import load_recipe
from compress.recipe.targets import load_target
from compress.students.build import build_student
from compress.tasks.views import as_inputs
from exporters.export import export

SAYINGS = Path(__file__).parents[2] / "projects" / "sayings"
TABLES = {
    "encoder.embeddings.word_embeddings.weight",
    "encoder.embeddings.position_embeddings.weight",
}
PARTS = ("attention.self.query", "output.dense")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The texts, and their student as it is before its training, exported."""
    folder = tmp_path_factory.mktemp("sayings") / "project"
    shutil.copytree(SAYINGS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    load_target("project.py:write_data", folder)(folder)
    context = _context(folder, "none")
    torch.manual_seed(0)
    module = build_student(context.recipe.student, folder=folder, seed=0, task=context.task)
    export(
        module.eval(), as_inputs(context.task, context.task.train.inputs[:2]),
        path=folder / FLOAT_FILE, input_names=context.task.input_names,
        open_axes=context.task.open_axes,
    )  # fmt: skip
    return folder


def _context(folder: Path, kind: str, recipe: str = "recipe.yaml") -> Context:
    samples = "" if kind == "none" else ", samples: 32"
    overrides = (f"quantize={{kind: {kind}{samples}}}",)
    return prepare(load_recipe(folder / recipe, overrides=overrides), cache=folder)


def _found(context: Context, folder: Path, *, mix: Path | None = None) -> Costs | None:
    files = {EXPORT: {FLOAT_FILE: folder / FLOAT_FILE}}
    if mix is not None:
        files[mix_of(QUANTIZE)] = {MIX_FILE: mix}
    return costs_of(context, Inputs(files=files, digests={}), lambda event: None)


@pytest.mark.parametrize(
    ("kind", "tables"),
    [
        ("static", True),
        ("dynamic", True),
        ("weight-only", False),
        ("float16", True),
        ("row", True),
        ("bfloat16", True),
    ],
)
def test_a_text_student_has_costs_by_operator_and_by_layer(
    kind: str, tables: bool, project: Path
) -> None:
    context = _context(project, kind)
    assert costs_need(context) == (f"{EXPORT}/{FLOAT_FILE}",)
    found = _found(context, project)
    assert found is not None
    costs = {cost.node: cost for cost in found.costs}
    layers = [f"encoder.encoder.layer.{layer}" for layer in range(2)]
    assert costs.keys() >= {f"{layer}.{part}.weight" for layer in layers for part in PARTS}
    assert (costs.keys() & TABLES == TABLES) is tables
    assert [costs[layer].operators for layer in layers] == [6, 6]
    assert all(cost.samples == len(context.task.validation) == 100 for cost in found.costs)
    assert all(0 < cost.loss < 0.05 for cost in found.costs if cost.operators > 1)
    assert cost_notes(found) == ()


def test_what_a_mix_leaves_in_float_is_told_to_cost_nothing(project: Path, tmp_path: Path) -> None:
    """Of `auto` the operators of its choice, each in its form."""
    context = _context(project, "auto")
    assert costs_need(context)[1:] == (f"{mix_of(QUANTIZE)}/{MIX_FILE}",)
    plan = {"chain": [], "products": {"n13": "row", "n18": "dynamic"}, "tables": False}
    (tmp_path / MIX_FILE).write_text(json.dumps(plan))
    found = _found(context, project, mix=tmp_path / MIX_FILE)
    assert found is not None
    assert {cost.node.rpartition(".")[0].rpartition(".")[2] for cost in found.costs} == {
        "query",
        "key",
    }


def test_nothing_quantized_has_no_costs(project: Path) -> None:
    context = _context(project, "none")
    assert costs_need(context) == ()
    assert _found(context, project) is None


def test_a_note_says_how_many_operators_have_a_cost() -> None:
    note = "is told of 64 of 130: of those with the largest weights, at most 64, in 5 minutes."
    (said,) = cost_notes(Costs(costs=(), operators=130, told=64))
    assert said.endswith(note)
