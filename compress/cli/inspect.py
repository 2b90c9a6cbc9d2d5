"""`distil inspect`: what an ONNX file holds, and what grew between two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress.cli.invocation import Invocation
from compress.cli.options import Debug, JsonFile, Quiet, Verbose

Model = Annotated[Path, typer.Argument(metavar="X.onnx", help="An ONNX file.")]
Other = Annotated[
    Path | None, typer.Argument(metavar="[Y.onnx]", help="A later one, compared with the first.")
]


def inspect(
    model: Model,
    other: Other = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Show what an ONNX file holds, or what grew.

    Operators, precision, largest tensors; with two files, the differences.
    """
    with Invocation(
        "inspect", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.cli.inspect_text import describe_changes, describe_model
        from exporters.inspect import compare_models, inspect_model

        first = inspect_model(model)
        if other is None:
            call.result = first
            call.say(describe_model(first))
            return
        second = inspect_model(other)
        changes = compare_models(first, second)
        call.result = {"before": first, "after": second, "changes": changes}
        call.say(describe_changes(first, second, changes))
