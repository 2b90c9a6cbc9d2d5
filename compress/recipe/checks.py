"""What a recipe must agree on with itself, beyond the types of its fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from compress.recipe.budget_checks import (
    P95_EPOCHS,
    Problem,
    budget_problems,
    device_problems,
)
from compress.recipe.catalogue import METRICS
from compress.recipe.deployments import bench_of, budgets_of
from compress.recipe.distill_checks import distill_problems
from compress.recipe.document import Document
from compress.recipe.embedding_checks import embedding_problems
from compress.recipe.inherited_nodes import inherited_problems
from compress.recipe.nodes import Bench, Budget, Controls, ImageArraysTask, QatQuantize, Recipe
from compress.recipe.suggest import suggestion
from compress.recipe.validate import place


def check_recipe(recipe: Recipe, document: Document) -> None:
    """Raises RecipeError for the first contradiction, with its place."""
    for path, what, cure in _problems(recipe):
        raise place(document, path, what, cure=cure)


def _problems(recipe: Recipe) -> Iterator[Problem]:
    task = recipe.task
    if isinstance(task, ImageArraysTask) and task.source is None and task.data is None:
        yield ("task",), "names no data", "write `source: fashion-mnist`, or `data:` with a path"
    yield from distill_problems(recipe)
    yield from inherited_problems(recipe.student, recipe.teacher)
    if isinstance(recipe.quantize, QatQuantize) and task.kind == "text-table":
        what = "qat trains static ranges, which a network of texts does not bear"
        yield ("quantize", "kind"), what, "write `kind: auto`"
    elif isinstance(recipe.quantize, QatQuantize) and task.outputs == "embeddings":
        what = "qat learns from class scores, and the task gives embeddings"
        yield ("quantize", "kind"), what, "write `kind: auto`"
    yield from embedding_problems(recipe)
    if recipe.export.preprocess == "inside" and task.kind == "text-table":
        what = "a tokenizer has no ONNX form here"
        yield ("export", "preprocess"), what, "write `preprocess: outside`"
    if recipe.export.preprocess == "inside" and task.kind == "audio-folder":
        what = "reading recordings has no ONNX form here"
        yield ("export", "preprocess"), what, "write `preprocess: outside`"
    wanted = recipe.controls
    if isinstance(wanted, Controls) and wanted.teacher_quantized and recipe.teacher is None:
        yield ("controls", "teacher_quantized"), "needs a teacher", "remove it, or write `teacher:`"
    for name, values in (
        ("devices", recipe.bench.devices),
        ("batch", recipe.bench.batch),
        ("threads", recipe.bench.threads),
    ):
        if not values or len(set(values)) < len(values):
            yield ("bench", name), "must hold each value once, and at least one", ""
    yield from budget_problems(recipe.budgets)
    for index, budget in enumerate(recipe.budgets):
        if budget.vs == "teacher" and recipe.teacher is None:
            yield ("budgets", index, "vs"), "this recipe has no teacher", "remove `vs`"
        if budget.vs == "pinned":  # which the judge of a run has none of
            what = "a run has no pinned baseline"
            yield ("budgets", index, "vs"), what, "write this budget in a gate file, with `pinned:`"
    if recipe.targets:
        yield from _target_problems(recipe)
    else:
        listed = list(enumerate(recipe.budgets))
        yield from device_problems(recipe.budgets)
        yield from _unjudged(listed, recipe.bench, "bench")


def _target_problems(recipe: Recipe) -> Iterator[Problem]:
    if "bench" in recipe.model_fields_set:
        yield ("bench",), "stands beside `targets`, which say what is timed", "remove it"
    if recipe.student.kind == "auto":
        what = "a search is held for one machine, the one of `bench`"
        yield ("targets",), what, "write `bench`; then give the student that it finds its targets"
    counts = Counter(target.id for target in recipe.targets)
    for at, target in enumerate(recipe.targets):
        if counts[target.id] > 1:
            yield ("targets", at, "id"), f"{target.id!r} comes twice", "rename one of them"
        if isinstance(target.quantize, QatQuantize) and recipe.task.kind == "text-table":
            yield ("targets", at, "quantize", "kind"), "qat takes no texts", "write `kind: auto`"
        for name, values in (("batch", target.batch), ("threads", target.threads)):
            if not values or len(set(values)) < len(values):
                what = "must hold each value once, and at least one"
                yield ("targets", at, name), what, ""
    for index, budget in enumerate(recipe.budgets):
        if "on" in budget.model_fields_set and budget.on not in counts:
            what = f"no target {budget.on!r}"
            yield ("budgets", index, "on"), what, suggestion(budget.on, counts)
    for target in recipe.targets:
        listed = list(budgets_of(recipe, target))
        yield from _unjudged(listed, bench_of(target), f"target {target.id}")


def _unjudged(listed: list[tuple[int, Budget]], bench: Bench, where: str) -> Iterator[Problem]:
    """Budgets, with their places in the recipe, that could not be judged by what is timed."""
    for index, budget in listed:
        yield from _untimed(index, budget, bench, where)
    yield from _too_few_epochs(listed, bench, where)


def _too_few_epochs(
    listed: list[tuple[int, Budget]], bench: Bench, where: str
) -> Iterator[Problem]:
    """A p95 that can only be inconclusive is an error before the run, not after it. Comparisons go
    on until they are decided, and every recipe has epochs enough for an interval."""
    for index, budget in listed:
        if budget.metric != "latency.p95" or budget.level != "error":
            continue
        if bench.epochs < P95_EPOCHS and budget.on_inconclusive == "fail":
            epochs = _of(where, "epochs")
            what = f"needs {P95_EPOCHS} epochs for a p95, and {epochs} is {bench.epochs}"
            yield ("budgets", index, "id"), what, f"write `epochs: {P95_EPOCHS}` in {where}"


def _of(where: str, name: str) -> str:
    return f"bench.{name}" if where == "bench" else f"`{name}` of {where}"


def _untimed(index: int, budget: Budget, bench: Bench, where: str) -> Iterator[Problem]:
    """A budget on a setting that `bench` leaves out could never be judged."""
    if not METRICS[budget.metric].cell or budget.level == "off":
        return
    for key, name, wanted, timed in (
        ("on", "devices", budget.on, bench.devices),
        ("batch", "batch", budget.batch, bench.batch),
        ("threads", "threads", budget.threads, bench.threads),
    ):
        if wanted not in timed:
            what = f"{wanted} is not measured; {_of(where, name)} is {list(timed)}"
            yield ("budgets", index, key), what, f"add it to {_of(where, name)}"
