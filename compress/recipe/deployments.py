"""What each target of a recipe is measured by and held to, told from the recipe alone. No torch."""

from __future__ import annotations

from collections.abc import Iterator

from compress.recipe.nodes import Bench, Budget, Recipe, Target


def bench_of(target: Target) -> Bench:
    """What is timed for it."""
    return Bench(
        devices=(target.device,),
        batch=target.batch,
        threads=target.threads,
        epochs=target.epochs,
        tokens=target.tokens,
        cpu_nodes=target.cpu_nodes,
    )


def budgets_of(recipe: Recipe, target: Target) -> Iterator[tuple[int, Budget]]:
    """Its budgets, with their places in the recipe: those `on` it, and those on no target, which
    hold for each and get its name behind their own."""
    for index, budget in enumerate(recipe.budgets):
        if "on" not in budget.model_fields_set:
            changes = {"id": f"{budget.id}.{target.id}", "on": target.device}
            yield index, budget.model_copy(update=changes)
        elif budget.on == target.id:
            yield index, budget.model_copy(update={"on": target.device})


def recipe_of(recipe: Recipe, target: Target) -> Recipe:
    """The recipe of one target alone; it names no others."""
    return recipe.model_copy(
        update={
            "bench": bench_of(target),
            "budgets": tuple(budget for _, budget in budgets_of(recipe, target)),
            "quantize": target.quantize or recipe.quantize,
            "targets": (),
        }
    )
