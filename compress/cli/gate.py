"""`distil gate`: stored evidence and budgets to verdicts and an exit code."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from compress.cli.invocation import Invocation
from compress.cli.options import Debug, JsonFile, Quiet, Verbose

# What --exit-zero turns into 0. That something was not measured stays an error.
_JUDGED = (1, 3)


class Format(StrEnum):
    """What is printed."""

    text = "text"
    json = "json"
    junit = "junit"
    markdown = "markdown"
    github = "github"


GateFile = Annotated[
    Path, typer.Argument(metavar="[GATE.yaml]", help="The budgets and where the evidence lies.")
]
OutputFormat = Annotated[Format, typer.Option("--format", help="What is printed.")]
Explain = Annotated[
    str | None, typer.Option("--explain", metavar="ID", help="Say how one budget was judged.")
]
ExitZero = Annotated[
    bool, typer.Option("--exit-zero", help="Report violated and inconclusive budgets, but exit 0.")
]


def gate(
    file: GateFile = Path("distil.gate.yaml"),
    format_: OutputFormat = Format.text,
    explain: Explain = None,
    exit_zero: ExitZero = False,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Judge finished runs by their budgets.

    Exit 0: all met, 1: violated, 2: unmeasured or unusable, 3: inconclusive, 5: no baseline.
    Nothing is measured here.
    """
    with Invocation("gate", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug) as call:
        import json
        from datetime import date

        from compress.gate.explain import explain as explain_budget
        from compress.gate.formats import as_json, as_markdown, render
        from compress.gate.gate_file import load_gate
        from compress.gate.result import run_gate
        from compress.report.serialise import load_report

        result = run_gate(
            load_gate(file),
            load_report=lambda path, samples: load_report(path, samples=samples),
            today=date.today(),
        )
        call.result = json.loads(as_json(result))
        if explain is None:
            call.say(render(result, format_))
        else:
            call.say(explain_budget(result, explain))
        summary = os.environ.get("GITHUB_STEP_SUMMARY", "")
        if format_ is Format.github and summary:
            _append(Path(summary), as_markdown(result))
        call.exit_code = result.exit_code
        if exit_zero and result.exit_code in _JUDGED:
            call.exit_code = 0


def _append(path: Path, text: str) -> None:
    """GitHub's own file for the page of a job; other steps write there too."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(text)
