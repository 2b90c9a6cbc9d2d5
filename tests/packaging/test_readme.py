"""The README names tests that exist, recipes that load, and a demo recipe that is the real one."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from compress.gate.gate_file import load_gate
from compress.recipe.load import load_recipe

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_every_test_that_a_promise_names_exists() -> None:
    named = re.findall(r"`(tests/[^`]+)`", README)
    assert len(named) >= 6
    for reference in named:
        path, _, function = reference.partition("::")
        assert (ROOT / path).exists(), reference
        if function:
            assert f"def {function}(" in (ROOT / path).read_text(), reference


def test_every_recipe_loads(tmp_path: Path) -> None:
    whole = [block for block in blocks("yaml") if block.startswith("schema: 1")]
    recipes = [block for block in whole if "\ncandidate:" not in block]
    assert len(recipes) == 2
    for text in recipes:
        path = tmp_path / "recipe.yaml"
        path.write_text(text)
        assert load_recipe(path).recipe.schema_ == 1


def test_the_gate_file_loads_and_its_waiver_names_a_budget(tmp_path: Path) -> None:
    (text,) = (block for block in blocks("yaml") if "\ncandidate:" in block)
    path = tmp_path / "distil.gate.yaml"
    path.write_text(text)
    budgets = {budget.id for budget in load_gate(path).budgets}
    named = re.findall(r"distil gate (?:waive|--explain) (\w+)", README)
    assert len(named) == 2
    assert set(named) <= budgets


def test_the_recipe_explained_is_the_one_of_the_demo() -> None:
    shown = yaml.safe_load(blocks("yaml")[0])
    assert shown == yaml.safe_load((ROOT / "examples/fashion/recipe.yaml").read_text())


def test_pictures_and_documents_that_it_links_exist() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
