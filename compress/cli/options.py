"""The options that every verb takes, and arguments that several share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the result here as JSON, also when it failed."
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no notes.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say more on the way.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and all log lines.")]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Where results are stored; default $DISTIL_CACHE, else the user's cache folder.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="a.b=c", help="Override a key of the recipe; repeatable."),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="A folder that holds the known data set already."),
]
BenchmarkJson = Annotated[
    Path | None,
    typer.Option(
        "--benchmark-json", metavar="FILE", help="Keep the times as pytest-benchmark's file."
    ),
]
