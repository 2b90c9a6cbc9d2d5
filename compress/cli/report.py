"""`distil report`: one self-contained HTML page for one or more runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress.cli.invocation import Invocation
from compress.cli.options import Debug, JsonFile, Quiet, Verbose
from compress.cli.streams import printable

Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs, or report.json.")
]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help="Where the page is written.")
]


def report(
    runs: Runs,
    out: Out = Path("distil-report.html"),
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Write one HTML page over one or more runs."""
    with Invocation(
        "report", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.report.html import render_html
        from compress.report.serialise import load_report
        from exporters.atomic import write_text

        files = [run / "report.json" if run.is_dir() else run for run in runs]
        reports = [load_report(file) for file in files]
        write_text(out, render_html(reports))
        call.result = {"page": out.absolute(), "runs": files}
        call.say(printable(str(out)))
