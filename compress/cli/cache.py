"""`distil cache list|verify|prune`: the store of stage results and teacher outputs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress.cli.cache_folder import cache_folder
from compress.cli.invocation import Invocation
from compress.cli.options import CacheFolder, Data, Debug, JsonFile, Quiet, Set, Verbose
from compress.cli.streams import printable

if TYPE_CHECKING:
    from compress.store.cache import CacheRow

app = typer.Typer(help="List, check or shrink the store of results.", rich_markup_mode=None)

OlderThan = Annotated[
    str | None,
    typer.Option("--older-than", metavar="TIME", help="Remove what was not used for, e.g., 30d."),
]
MaxSize = Annotated[
    str | None,
    typer.Option(
        "--max-size", metavar="SIZE", help="Then the longest unused, down to, e.g., 2GiB."
    ),
]
Recipe = Annotated[
    Path | None,
    typer.Argument(metavar="[RECIPE]", help="Also recompute rows of its stored teacher outputs."),
]
_LONG_UNITS_S = {"h": 3600, "d": 86400}
_LARGE_UNITS_B = {"GB": 10**9, "TB": 10**12, "GiB": 1 << 30, "TiB": 1 << 40}


@app.command("list")
def list_(
    cache: CacheFolder = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Show every stored result, last used first."""
    with Invocation(
        "cache list", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.report.quantities import size
        from compress.store.cache import list_entries, stored_bytes

        folder = cache_folder(cache)
        rows = list_entries(folder) if folder.exists() else ()
        call.result = {"cache": folder, "results": [_as_json(row) for row in rows]}
        if not rows:
            call.say(printable(f"{folder}: nothing is stored"))
            return
        call.show(_table(rows))
        total = size(stored_bytes(folder))
        call.say(printable(f"{folder}: {len(rows)} results, {total}"))


@app.command()
def verify(
    recipe: Recipe = None,
    set_: Set = None,
    data: Data = None,
    cache: CacheFolder = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Hash every stored file again and remove what is damaged; exit 1 where something was.

    With a recipe, its teacher is also asked again for 64 rows of each stored view of its outputs.
    """
    with Invocation(
        "cache verify", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.report.quantities import size
        from compress.store.cache import verify_cache

        folder = cache_folder(cache)
        found = verify_cache(folder)
        call.result = {"cache": folder, **_fields(found)}
        for line in found.removed:
            call.say(printable(f"removed {line}"))
        call.say(
            printable(
                f"{folder}: {found.entries} results in {found.blobs} files are whole "
                f"({size(found.size_bytes)}), {len(found.removed)} damaged and removed"
            )
        )
        call.exit_code = 1 if found.removed else 0
        if recipe is not None:
            _recompute(call, recipe, tuple(set_ or ()), folder, data)


def _recompute(
    call: Invocation, recipe: Path, overrides: tuple[str, ...], folder: Path, data: Path | None
) -> None:
    from compress.recipe.load import load_recipe

    loaded = load_recipe(recipe, overrides=overrides)  # before torch is imported
    from compress.pipeline.recompute import recompute_outputs

    found = recompute_outputs(loaded, cache=folder, data_folder=data, on_event=call.on_event)
    call.finish_progress()
    call.result = {**call.result, "recomputed": _fields(found)}
    for line in found.removed:
        call.say(printable(f"removed {line}"))
    call.say(
        f"teacher outputs: {found.rows} rows of each of {found.views} stored views were computed "
        f"again, {len(found.removed)} views differ and are removed"
    )
    if found.removed:
        call.exit_code = 1


@app.command()
def prune(
    older_than: OlderThan = None,
    max_size: MaxSize = None,
    cache: CacheFolder = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Remove old results; what a running process uses stays. Without limits, only leftovers go."""
    with Invocation(
        "cache prune", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.report.quantities import size
        from compress.store.cache import prune as prune_cache

        folder = cache_folder(cache)
        removed = prune_cache(
            folder,
            older_than_seconds=None if older_than is None else _seconds(older_than),
            max_bytes=None if max_size is None else _bytes(max_size),
        )
        call.result = {"cache": folder, **_fields(removed)}
        busy = f", {removed.in_use} in use stay" if removed.in_use else ""
        call.say(
            printable(
                f"{folder}: removed {removed.entries} results ({size(removed.freed_bytes)}), "
                f"{size(removed.left_bytes)} left{busy}"
            )
        )


def _seconds(text: str) -> float:
    """A time with its unit; hours and days too, which no recipe needs."""
    from compress.errors import InputError
    from compress.recipe.units import DURATIONS, parse_quantity

    units = {**DURATIONS, **{name: Decimal(value) for name, value in _LONG_UNITS_S.items()}}
    try:
        return float(parse_quantity(text, units, example="30d"))
    except ValueError as error:
        raise InputError(
            f"{text!r} is not a time", where="--older-than", cure="write, e.g., 30d, 12h or 90min"
        ) from error


def _bytes(text: str) -> int:
    """A size with its unit; those of disks too, which no recipe needs."""
    from compress.errors import InputError
    from compress.recipe.units import SIZES, parse_quantity

    units = {**SIZES, **{name: Decimal(value) for name, value in _LARGE_UNITS_B.items()}}
    try:
        return int(parse_quantity(text, units, example="2GiB"))
    except ValueError as error:
        raise InputError(
            f"{text!r} is not a size", where="--max-size", cure="write, e.g., 2GiB or 500MB"
        ) from error


def _fields(value: object) -> dict[str, object]:
    from compress.cli.invocation import plain

    fields: dict[str, object] = plain(value)
    return fields


def _as_json(row: CacheRow) -> dict[str, object]:
    return {
        "stage": row.entry.stage,
        "key": row.entry.key,
        "size_bytes": row.size_bytes,
        "created_at": row.entry.created_at,
        "last_used": _day(row.last_used),
        "in_use": row.in_use,
        "seconds": row.entry.seconds,
    }


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _table(rows: tuple[CacheRow, ...]) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from compress.report.quantities import seconds, size

    table = Table(box=box.SIMPLE)
    for name, justify in (("stage", "left"), ("key", "left"), ("size", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    table.add_column("took", justify="right")
    table.add_column("last used")
    for row in rows:
        table.add_row(
            Text(printable(row.entry.stage)),
            row.entry.key[:12],
            size(row.size_bytes),
            seconds(row.entry.seconds),
            _day(row.last_used)[:16].replace("T", " ") + (" (in use)" if row.in_use else ""),
        )
    return table
