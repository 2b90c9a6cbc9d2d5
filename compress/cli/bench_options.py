"""The options of `distil bench`, and what their texts mean."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmarks.feeds import Inputs
    from benchmarks.sources import Source


class FailOn(StrEnum):
    """When a finished measurement exits with 1."""

    slower = "slower"


Models = Annotated[
    list[Path],
    typer.Argument(
        metavar="A.onnx [B.onnx ...]",
        help="The first is what others compare with. model.py:function is a torch module.",
    ),
]
Device = Annotated[
    str, typer.Option("--device", metavar="LIST", help="Of cpu, cuda and tensorrt, e.g. cpu,cuda.")
]
CpuNodes = Annotated[
    int,
    typer.Option(
        "--cpu-nodes", min=0, help="Nodes that may run on the CPU when a GPU is asked for."
    ),
]
Weights = Annotated[
    list[Path] | None,
    typer.Option("--weights", metavar="FILE", help="Safetensors; once per torch module, in order."),
]
Compile = Annotated[bool, typer.Option("--compile", help="Time torch modules compiled as well.")]
Batch = Annotated[
    str | None,
    typer.Option("--batch", metavar="LIST", help="Batch sizes; 1,32 without it, 1 with --load."),
]
Threads = Annotated[
    str, typer.Option("--threads", metavar="LIST", help="Threads inside an operator, e.g. 1,2.")
]
Shape = Annotated[
    list[str] | None,
    typer.Option(
        "--shape", metavar="NAME=d,d", help="Size of an open dimension; repeat per input."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="FILE", help="Real samples: .npy, or .npz with an array per input."
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        min=1,
        help="Exactly so many fresh processes per model; 10 or more for a verdict. Without it: 12, "
        "and where files are compared as many as the answer takes.",
    ),
]
Resolve = Annotated[
    bool,
    typer.Option("--resolve", help='Go on past "no-slower" until a difference has its name.'),
]
Change = Annotated[
    str | None,
    typer.Option(
        "--change", metavar="2%", help="With --resolve: until a change of this size would be seen."
    ),
]
TimeLimit = Annotated[
    str,
    typer.Option(
        "--time-limit",
        metavar="5min",
        help="When an open comparison ends, per device and thread count.",
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot", metavar="FILE.html", help="A page with pictures: latency and throughput by batch."
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the order and of random inputs.")]
Twin = Annotated[bool, typer.Option("--aa", help="Compare a file with itself: no verdict is due.")]
Fail = Annotated[
    FailOn | None, typer.Option("--fail-on", help="Exit 1 when a later file is slower.")
]
Rates = Annotated[
    str | None,
    typer.Option(
        "--load",
        metavar="RATES",
        help="Latency when requests arrive at random at these rates per second, e.g. 50,100; "
        "`auto` takes parts of the capacity.",
    ),
]
Sessions = Annotated[
    int, typer.Option("--sessions", min=1, help="With --load: sessions that share the requests.")
]
Seconds = Annotated[
    str, typer.Option("--seconds", metavar="10s", help="With --load: how long each rate runs.")
]


def check_options(
    several: bool,
    epochs: int | None,
    *,
    resolve: bool,
    change: str | None,
    fail_on: FailOn | None,
) -> None:
    """What could never do what it asks for is refused before anything is timed."""
    from benchmarks.stats import FEWEST_EPOCHS
    from compress.errors import InputError

    if not several and (resolve or fail_on is not None):
        option = "--resolve" if resolve else "--fail-on slower"
        raise InputError(f"{option} needs two files to compare", cure="name another, or use --aa")
    if change is not None and not resolve:
        raise InputError("--change belongs to --resolve", cure="write both")
    if resolve and epochs is not None:
        what = "--epochs ends a comparison, and --resolve goes on"
        raise InputError(what, cure="leave --epochs out; --time-limit bounds it")
    if fail_on is not None and epochs is not None and epochs < FEWEST_EPOCHS:
        what = f"--fail-on slower can never fail with {epochs} epochs"
        raise InputError(what, where="--epochs", cure=f"use at least {FEWEST_EPOCHS}")


def with_unit(parse: Callable[[object], float], text: str, option: str) -> float:
    from compress.errors import InputError

    try:
        return parse(text)
    except ValueError as error:
        raise InputError(str(error), where=option, cure="see `distil bench --help`") from error


def named(models: list[Path], *, aa: bool) -> dict[str, Path]:
    """Names for the table: file names where they differ, else paths."""
    from compress.errors import InputError

    if aa:
        if len(models) != 1:
            raise InputError(
                f"--aa compares one file with itself, and {len(models)} are given",
                cure="name one file",
            )
        return {models[0].name: models[0], f"{models[0].name} (again)": models[0]}
    by_name = len({path.name for path in models}) == len(models)
    found = {path.name if by_name else str(path): path for path in models}
    if len(found) != len(models):
        raise InputError("a file is named twice", cure="name it once, or use --aa")
    return found


def numbers(text: str, option: str) -> tuple[int, ...]:
    from compress.errors import InputError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"{text!r} is not a list of whole numbers", where=option, cure="e.g. 1,32")
    return tuple(dict.fromkeys(int(part) for part in parts))


def feeds(
    source: Source, data: Inputs | None, shapes: list[str], *, rows: int, seed: int
) -> Inputs:
    from benchmarks.feeds import random_inputs, read_shapes, unnamed
    from compress.errors import InputError

    if data is None:
        made = random_inputs(source, rows=rows, seed=seed, shapes=read_shapes(shapes))
        return unnamed(made)
    if shapes:
        raise InputError("--data and --shape exclude each other", cure="give one of them")
    return data


def read_samples(path: Path) -> Inputs:
    """An array, or one per input name. Pickled objects are refused."""
    import zipfile
    import zlib

    import numpy as np

    from compress.errors import InputError

    try:
        # Opened here: numpy leaves a file open that it finds damaged.
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise InputError(
            f"can't be read: {error.strerror or error}", where=str(path), cure="check the path"
        ) from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            "is no array file without pickled objects",
            where=str(path),
            cure="write it with numpy.save or numpy.savez",
        ) from error
