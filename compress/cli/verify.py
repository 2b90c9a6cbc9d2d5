"""`distil verify`: the files of a finished run against its manifest, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress.cli.invocation import Invocation
from compress.cli.options import Debug, JsonFile, Quiet, Verbose
from compress.cli.streams import printable

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")]


def verify(
    run: Run,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Re-check the hashes of a finished run.

    Exit 1 where a file is not as it was written.
    """
    with Invocation(
        "verify", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.pipeline.verify import verify_run

        problems = verify_run(run)
        call.result = {"run": run, "problems": problems}
        for problem in problems:
            call.say(printable(f"{problem.kind}: {problem.name}: {problem.message}"))
        if problems:
            call.exit_code = 1
            call.say(printable(f"{run}: {len(problems)} mismatched"))
        else:
            call.say(printable(f"{run}: every file is as it was written"))
