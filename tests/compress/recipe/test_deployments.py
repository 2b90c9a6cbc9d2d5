"""`targets:`: which budgets hold for which, and what is refused before a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.errors import InputError, RecipeError
from compress.pipeline.deployments import main_target, why_not_here
from compress.recipe.deployments import recipe_of
from compress.recipe.load import load_recipe
from compress.recipe.nodes import Recipe, Target

HEAD = """schema: 1
name: here-and-there
task: {kind: python, target: "project.py:data"}
student: {kind: python, target: "project.py:student"}
distill: {loss: {kind: labels}}
"""
TWO = """targets:
  - {id: server, batch: [1, 8], threads: [1]}
  - {id: board, batch: [1], cpu_flags: [asimd], quantize: {kind: static}}
"""
MACHINE = {"cpu_flags": "avx2 avx512_vnni"}


def _recipe(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(HEAD + text)
    return load_recipe(path).recipe


def test_a_budget_holds_for_its_target_or_for_all(tmp_path: Path) -> None:
    recipe = _recipe(
        tmp_path,
        TWO
        + "budgets:\n"
        + "  - {id: size, metric: file_bytes, max: 1MiB}\n"
        + "  - {id: fast, metric: latency.p50, max: 1ms, batch: 8, on: server}\n",
    )
    server, board = (recipe_of(recipe, target) for target in recipe.targets)
    assert [(b.id, b.on) for b in server.budgets] == [("size.server", "cpu"), ("fast", "cpu")]
    assert [(b.id, b.on) for b in board.budgets] == [("size.board", "cpu")]
    assert (server.quantize.kind, board.quantize.kind) == ("none", "static")
    assert (server.bench.batch, board.bench.batch) == ((1, 8), (1,))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TWO + "bench: {batch: [1]}\n", "bench: stands beside `targets`"),
        (TWO.replace("id: board", "id: server"), "'server' comes twice"),
        (
            TWO + "budgets: [{id: size, metric: file_bytes, max: 1MiB, on: sever}]\n",
            "no target 'sever'.*server",
        ),
        (
            TWO + "budgets: [{id: f, metric: latency.p50, max: 1ms, batch: 8}]\n",
            "8 is not measured; `batch` of target board",
        ),
        (
            TWO.replace("batch: [1]", "batch: [1], epochs: 4")
            + "budgets: [{id: f, metric: latency.p95, max: 1ms, on: board}]\n",
            "needs 16 epochs for a p95, and `epochs` of target board is 4",
        ),
        (
            "budgets: [{id: size, metric: file_bytes, max: 1MiB, on: server}]\n",
            "no device 'server'.*targets",
        ),
    ],
)
def test_contradictions_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        _recipe(tmp_path, text)


def _target(**settings: object) -> Target:
    return Target.model_validate({"id": "t", **settings})


def test_another_processor_is_not_taken_for_this_one() -> None:
    assert why_not_here(_target(), MACHINE) is None
    assert why_not_here(_target(cpu_flags=("avx512_vnni",)), MACHINE) is None
    assert why_not_here(_target(cpu_flags=("asimd",)), MACHINE) == "this processor has no asimd"
    assert "faster int8" in str(why_not_here(_target(cpu_flags=("avx2",)), MACHINE))
    assert "9999 threads are more" in str(why_not_here(_target(threads=(9999,)), MACHINE))


def test_the_main_target_is_the_first_that_can_be_measured(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, TWO)
    assert main_target(recipe, MACHINE).id == "server"
    assert main_target(recipe, {"cpu_flags": "asimd"}).id == "server"
    alone = recipe.model_copy(update={"targets": recipe.targets[1:]})
    assert main_target(alone, {"cpu_flags": "asimd asimddp"}).id == "board"
    with pytest.raises(InputError, match=r"no target can be measured here: board: .* no asimd"):
        main_target(alone, MACHINE)
