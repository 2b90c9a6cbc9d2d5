"""What budgets must agree on with themselves, in a recipe and in a gate file alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from compress.recipe.budget_node import Budget
from compress.recipe.catalogue import check_budget
from compress.recipe.document import Document, KeyPath
from compress.recipe.validate import place

P95_EPOCHS = 16
DEVICES = ("cpu", "cuda", "tensorrt")
Problem = tuple[KeyPath, str, str]  # where, what, cure


def check_budgets(budgets: tuple[Budget, ...], document: Document) -> None:
    """Raises RecipeError for a budget that can't be judged, and for an id that comes twice."""
    for path, what, cure in (*budget_problems(budgets), *device_problems(budgets)):
        raise place(document, path, what, cure=cure)


def budget_problems(budgets: tuple[Budget, ...]) -> Iterator[Problem]:
    """Limits that don't fit their metric, and ids that come twice."""
    counts = Counter(budget.id for budget in budgets)
    for index, budget in enumerate(budgets):
        problem = check_budget(budget)
        if problem is not None:
            yield ("budgets", index, problem.field), problem.what, problem.cure
        if counts[budget.id] > 1:
            yield ("budgets", index, "id"), f"{budget.id!r} comes twice", "rename one of them"


def device_problems(budgets: tuple[Budget, ...]) -> Iterator[Problem]:
    """Devices that there are not, where no targets name any."""
    for index, budget in enumerate(budgets):
        if budget.on not in DEVICES:
            what = f"no device {budget.on!r}"
            yield ("budgets", index, "on"), what, f"use {', '.join(DEVICES)}, or write `targets:`"
