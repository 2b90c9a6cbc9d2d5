"""`distil bench`: latency, throughput, memory and cold start of ONNX files, interleaved."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress.cli.invocation import Invocation
from compress.cli.options import Debug, JsonFile, Quiet, Verbose

if TYPE_CHECKING:
    from benchmarks.feeds import Inputs
    from exporters.values import OnnxArtifact


class FailOn(StrEnum):
    """When a finished measurement exits with 1."""

    slower = "slower"


Models = Annotated[
    list[Path],
    typer.Argument(metavar="A.onnx [B.onnx ...]", help="The first is what others compare with."),
]
Device = Annotated[str, typer.Option("--device", metavar="LIST", help="cpu, cuda, or both.")]
Batch = Annotated[str, typer.Option("--batch", metavar="LIST", help="Batch sizes, e.g. 1,32.")]
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
    int,
    typer.Option("--epochs", min=1, help="Fresh processes per model; 10 or more for a verdict."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the order and of random inputs.")]
Twin = Annotated[bool, typer.Option("--aa", help="Compare a file with itself: no verdict is due.")]
Fail = Annotated[
    FailOn | None, typer.Option("--fail-on", help="Exit 1 when a later file is slower.")
]


def bench(
    models: Models,
    device: Device = "cpu",
    batch: Batch = "1,32",
    threads: Threads = "1",
    shape: Shape = None,
    data: Data = None,
    epochs: Epochs = 12,
    seed: Seed = 0,
    aa: Twin = False,
    fail_on: Fail = None,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Measure ONNX files side by side.

    Latency, throughput, memory, cold start and size; with two or more files, whether a later one
    is slower or faster than the first.
    """
    with Invocation(
        "bench", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        from benchmarks.measure import measure
        from benchmarks.settings import BenchSettings
        from compress.cli.bench_table import (
            comparison_lines,
            header,
            measurement_table,
            model_lines,
        )
        from exporters.artifact import open_artifact

        settings = BenchSettings(
            devices=tuple(part.strip() for part in device.split(",")),
            batch=_numbers(batch, "--batch"),
            threads=_numbers(threads, "--threads"),
            epochs=epochs,
        )
        subjects = _subjects(models, aa=aa)
        first = open_artifact(next(iter(subjects.values())))
        measured = measure(
            subjects,
            inputs=_inputs(first, data, shape or [], rows=max(settings.batch), seed=seed),
            settings=settings,
            seed=seed,
            on_event=call.on_event,
            aa=aa,
        )
        call.finish_progress()
        call.result = measured
        call.say(header(measured))
        call.show(measurement_table(measured))
        call.say("\n".join((*model_lines(measured), *comparison_lines(measured))))
        slower = any(found.verdict == "slower" for found in measured.comparisons)
        if fail_on is FailOn.slower and slower:
            call.exit_code = 1


def _subjects(models: list[Path], *, aa: bool) -> dict[str, Path]:
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
    named = {path.name if by_name else str(path): path for path in models}
    if len(named) != len(models):
        raise InputError("a file is named twice", cure="name it once, or use --aa")
    return named


def _numbers(text: str, option: str) -> tuple[int, ...]:
    from compress.errors import InputError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"{text!r} is not a list of whole numbers", where=option, cure="e.g. 1,32")
    return tuple(dict.fromkeys(int(part) for part in parts))


def _inputs(
    artifact: OnnxArtifact, data: Path | None, shapes: list[str], *, rows: int, seed: int
) -> Inputs:
    from benchmarks.feeds import random_inputs, read_shapes
    from compress.errors import InputError

    if data is None:
        return random_inputs(artifact, rows=rows, seed=seed, shapes=read_shapes(shapes))
    if shapes:
        raise InputError("--data and --shape exclude each other", cure="give one of them")
    return _read_samples(data)


def _read_samples(path: Path) -> Inputs:
    """An array, or one per input name. Pickled objects are refused."""
    import numpy as np

    from compress.errors import InputError

    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise InputError(
            f"can't be read: {error.strerror or error}", where=str(path), cure="check the path"
        ) from error
    except (ValueError, EOFError) as error:
        raise InputError(
            "is no array file without pickled objects",
            where=str(path),
            cure="write it with numpy.save or numpy.savez",
        ) from error
