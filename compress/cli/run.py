"""`distil run`: the pipeline from a recipe to a gated student."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress.cli.cache_folder import cache_folder
from compress.cli.invocation import Invocation
from compress.cli.options import CacheFolder, Data, Debug, JsonFile, Quiet, Set, Verbose
from compress.cli.streams import printable

if TYPE_CHECKING:
    from compress.pipeline.stage import Planned
    from compress.recipe.load import LoadedRecipe

Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="recipe.yaml or recipe.toml.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", help="The run folder; default runs/NAME."),
]
Plan = Annotated[
    bool, typer.Option("--plan", help="Say what would run and why each stage is a hit or a miss.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Compute everything again, decisions included.")
]


def run(
    recipe: Recipe,
    out: Out = None,
    set_: Set = None,
    plan: Plan = False,
    fresh: Fresh = False,
    data: Data = None,
    cache: CacheFolder = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Run a recipe: distil, export, quantize, measure, judge.

    The same command resumes an interrupted run, and a finished one is all cache hits.
    """
    with Invocation("run", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug) as call:
        from compress.recipe.load import load_recipe

        loaded = load_recipe(recipe, overrides=tuple(set_ or ()))  # before torch is imported
        folder = out or Path("runs") / loaded.recipe.name
        store = cache_folder(cache)
        if plan:
            _plan(call, loaded, cache=store, data=data)
        else:
            _run(call, loaded, folder, cache=store, data=data, fresh=fresh)


def _plan(call: Invocation, loaded: LoadedRecipe, *, cache: Path, data: Path | None) -> None:
    from compress.pipeline.run import plan

    stages = plan(loaded, cache=cache, data_folder=data, on_event=call.on_event)
    call.finish_progress()
    call.result = {"cache": cache, "stages": stages}
    call.show(_plan_table(stages))
    hits = sum(stage.hit for stage in stages)
    call.say(f"{hits} of {len(stages)} stages are stored; --fresh would compute all of them")


def _run(
    call: Invocation,
    loaded: LoadedRecipe,
    folder: Path,
    *,
    cache: Path,
    data: Path | None,
    fresh: bool,
) -> None:
    from compress.gate.judge import exit_code
    from compress.pipeline.run import run
    from compress.report.terminal import summary_table

    finished = run(
        loaded, out=folder, cache=cache, data_folder=data, fresh=fresh, on_event=call.on_event
    )
    call.finish_progress()
    report = finished.report
    call.result = {"folder": finished.folder, "verdicts": report.verdicts}
    call.show(summary_table(report))
    call.say(printable(f"student: {folder / 'student.onnx'}"))
    call.say(printable(f"report:  {folder / 'report.html'}"))
    call.exit_code = exit_code(report.verdicts)


def _plan_table(stages: tuple[Planned, ...]) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    table.add_column("stage", no_wrap=True)
    table.add_column("plan", no_wrap=True)
    table.add_column("why")
    for stage in stages:
        word = "stored" if stage.hit else "runs"
        table.add_row(Text(printable(stage.stage)), word, Text(printable(stage.why)))
    return table
