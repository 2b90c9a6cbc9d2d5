"""`distil advise`: which distillation method suits this recipe, with numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from compress.cli.cache_folder import cache_folder
from compress.cli.invocation import Invocation
from compress.cli.options import CacheFolder, Debug, JsonFile, Quiet, Verbose
from compress.cli.streams import printable

Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="recipe.yaml or recipe.toml.")]
Budget = Annotated[
    str, typer.Option("--budget", metavar="TIME", help="What the race may take, such as 20min.")
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="A folder that holds the known data set already."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="a.b=c", help="Override a key of the recipe; repeatable."),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Hold the race again.")]


def advise(
    recipe: Recipe,
    budget: Budget = "20min",
    set_: Set = None,
    fresh: Fresh = False,
    data: Data = None,
    cache: CacheFolder = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Race methods on short pilots; recommend one, or none.

    Every method trains the recipe's student from the same seeds; two controls learn without the
    teacher. Validation data alone decides.
    """
    with Invocation(
        "advise", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.errors import InputError
        from compress.recipe.load import load_recipe
        from compress.recipe.units import parse_duration

        try:
            parse_duration(budget, example="20min")
        except ValueError as error:
            raise InputError(str(error), where="--budget", cure="write it like 20min") from None
        loaded = load_recipe(recipe, overrides=tuple(set_ or ()))  # before torch is imported
        from compress.pipeline.method import advise_recipe

        found = advise_recipe(
            loaded,
            cache=cache_folder(cache),
            budget=budget,
            data_folder=data,
            fresh=fresh,
            on_event=call.on_event,
        )
        call.finish_progress()
        call.result = dict(found.advice)
        call.show(_table(found.advice["advice"]))
        for line in _lines(found.advice):
            call.say(printable(line))


def _table(advice: Mapping[str, Any]) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    table.add_column("method", no_wrap=True)
    table.add_column("epochs", justify="right")
    table.add_column("seeds", justify="right")
    table.add_column("validation", justify="right")
    table.add_column("against the best control", justify="right")
    for row in advice["rows"]:
        chosen = row["arm"] == advice["chosen"]
        table.add_row(
            Text(printable(row["arm"]), style="bold" if chosen else ""),
            str(row["epochs"]),
            str(len(row["scores"])),
            f"{100 * row['mean']:.2f} %",
            _difference(row),
        )
    return table


def _difference(row: Mapping[str, Any]) -> str:
    if row["control"]:
        return "control"
    if row["difference"] is None or not math.isfinite(row["difference"]):
        return "diverged"
    shown = f"{100 * row['difference']:+.2f} pp"
    if row["low"] is None:
        return shown
    return f"{shown} [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]"


def _lines(about: Mapping[str, Any]) -> list[str]:
    advice = about["advice"]
    lines = [
        f"Recommended: {advice['chosen']}. {advice['reason'][:1].upper()}{advice['reason'][1:]}."
    ]
    lines.append(f"In the recipe: {recipe_line(about['loss'], about['mixup'])}")
    by_reason: dict[str, list[str]] = {}
    for name, reason in about["left_out"].items():
        by_reason.setdefault(reason, []).append(name)
    raced = set(about["plan"]["arms"])
    lines += [f"Left out: {', '.join(names)}: {reason}." for reason, names in by_reason.items()]
    dropped = [name for name in about.get("offered", ()) if name not in raced]
    if dropped:
        lines.append(f"Left out: {', '.join(dropped)}: the budget has no room for them.")
    return lines


def recipe_line(loss: Mapping[str, Any], mixup: float | None) -> str:
    """What a recipe has to say of a method, as one line to copy; defaults are left out."""
    import yaml
    from pydantic import TypeAdapter

    from compress.recipe.loss_nodes import LossNode

    node: Any = TypeAdapter(LossNode).validate_python(loss)
    changes = {"loss": node.model_dump(mode="json", exclude_defaults=True)}
    if mixup is not None:
        changes["mixup"] = mixup
    line: str = yaml.safe_dump(
        {"distill": changes}, default_flow_style=True, sort_keys=False, width=math.inf
    )
    return line.strip().removeprefix("{").removesuffix("}")
