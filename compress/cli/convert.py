"""`distil convert`: a pickled state dict to safetensors, read where it can do no harm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress.cli.invocation import Invocation
from compress.cli.options import Debug, JsonFile, Quiet, Verbose
from compress.cli.streams import printable

Source = Annotated[Path, typer.Argument(metavar="IN.pt", help="A state dict saved by torch.")]
Target = Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="Where the tensors go.")]


def convert(
    source: Source,
    target: Target,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Turn a .pt state dict into safetensors.

    It is read in a child process with weights_only; anything but tensors is refused by name.
    """
    with Invocation(
        "convert", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from compress.report.quantities import size
        from exporters.atomic import sha256_file
        from exporters.weights import convert_weights

        taken = convert_weights(source, target)
        written_bytes = target.stat().st_size
        call.result = {
            "source": source,
            "target": target,
            "taken": taken,
            "size_bytes": written_bytes,
            "sha256": sha256_file(target),
        }
        call.say(printable(f"{target}: {size(written_bytes)} ({taken})"))
