"""The command `distil`. Verbs import what they need when they run, so that --help stays quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from compress.cli import (
    advise,
    amend,
    baseline,
    bench,
    cache,
    convert,
    export,
    gate,
    init,
    inspect,
    quantize,
    recheck,
    report,
    run,
    verify,
)
from compress.cli.failures import Failure, describe
from compress.cli.invocation import keep_result
from compress.cli.signals import stopping_in_order
from compress.cli.streams import prepare, printable, write_error, write_out

_VERBS = (
    ("run", run.run),
    ("bench", bench.bench),
    ("gate", gate.gate),
    ("convert", convert.convert),
    ("export", export.export),
    ("quantize", quantize.quantize),
    ("inspect", inspect.inspect),
    ("advise", advise.advise),
    ("report", report.report),
    ("verify", verify.verify),
    ("recheck", recheck.recheck),
    ("init", init.init),
)
# A verb with an argument of its own can't be a group: these are found by both words together.
_SUBVERBS = (("gate waive", amend.waive), ("gate ratchet", amend.ratchet))


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(run_command(list(sys.argv[1:] if argv is None else argv)))


def run_command(arguments: list[str]) -> int:
    """The exit code of one command line. Never raises, prints no traceback without --debug."""
    prepare()
    try:
        with stopping_in_order():
            words = _joined(arguments) or ["--help"]
            code = build()(args=words, prog_name="distil", standalone_mode=False)
    except typer.TyperException as error:
        return _usage(error, arguments)
    except SystemExit as error:  # --help, --version
        return error.code if isinstance(error.code, int) else 0
    except BaseException as error:
        failure = describe(error)
        if "--debug" in arguments:
            import traceback

            write_error("".join(traceback.format_exception(error)).rstrip())
        write_error(f"error: {failure.line}")
        return failure.exit_code
    if not arguments:
        return 2
    return code if isinstance(code, int) else 0


def _joined(arguments: list[str]) -> list[str]:
    """`gate waive size` as the command `gate waive`."""
    both = " ".join(arguments[:2])
    return [both, *arguments[2:]] if any(both == name for name, _ in _SUBVERBS) else arguments


def build() -> typer.Typer:
    """The program with all its verbs."""
    app = typer.Typer(
        name="distil",
        help="Turn a trained model into the smallest, fastest ONNX model that meets your budgets.",
        add_completion=False,
        rich_markup_mode=None,  # rich is loaded when something is drawn
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common)
    for name, function in _VERBS:
        app.command(name)(function)
    for words, part in _SUBVERBS:
        app.command(words, hidden=True)(part)
    app.add_typer(baseline.app, name="baseline")
    app.add_typer(cache.app, name="cache")
    return app


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        write_out(f"distil {version('distil')}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def _usage(error: typer.TyperException, arguments: list[str]) -> int:
    """One line for a command line that is wrong; --json is honoured where it was readable."""
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", None) or "distil"
    failure = Failure(
        exit_code=2,
        kind="UsageError",
        what=printable(error.format_message()).rstrip("."),
        cure=f"see `{command} --help`",
    )
    write_error(f"error: {failure.line}")
    place = _json_argument(arguments)
    if place is not None:
        verb = next((part for part in arguments if not part.startswith("-")), "")
        keep_result(Path(place), verb=verb, exit_code=2, failure=failure, result=None)
    return 2


def _json_argument(arguments: list[str]) -> str | None:
    for position, part in enumerate(arguments):
        if part == "--json" and position + 1 < len(arguments):
            return arguments[position + 1]
        if part.startswith("--json="):
            return part.partition("=")[2]
    return None
