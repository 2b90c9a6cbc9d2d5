"""`distil export`: a torch module to a verified ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress.cli.invocation import Invocation
from compress.cli.options import Debug, JsonFile, Quiet, Verbose
from compress.cli.streams import printable

if TYPE_CHECKING:
    from exporters.values import OnnxArtifact, Parity

_SAMPLES = 34  # one more than the largest batch of the check

Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET", help="pkg.mod:factory or model.py:factory, without arguments."
    ),
]
Out = Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The file to write.")]
Shape = Annotated[
    str, typer.Option("--shape", metavar="d,d,...", help="Of one sample, without the batch.")
]
Weights = Annotated[
    Path | None, typer.Option("--weights", metavar="FILE", help="Safetensors for the module.")
]
Opset = Annotated[int | None, typer.Option("--opset", min=17, help="Default: what torch chooses.")]
Tolerance = Annotated[
    float,
    typer.Option("--tolerance", min=0.0, help="Largest difference allowed, absolute and relative."),
]


def export(
    target: Target,
    out: Out,
    shape: Shape,
    weights: Weights = None,
    opset: Opset = None,
    tolerance: Tolerance = 1e-3,
    json_file: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Export a torch module to a verified ONNX file.

    The file appears only when it computes what the module does, at several batch sizes.
    """
    with Invocation(
        "export", json_file=json_file, quiet=quiet, verbose=verbose, debug=debug
    ) as call:
        dims = _dims(shape)
        _check_target(target)
        from compress.report.quantities import size

        artifact, parity = _export(
            target, out, dims=dims, weights=weights, opset=opset, tolerance=tolerance
        )
        call.result = {"artifact": artifact, "parity": parity}
        call.say(
            printable(
                f"{out}: {size(artifact.size_bytes)}, opset {artifact.opset}, "
                f"IR {artifact.ir_version}, {artifact.parameters:,} parameters"
            )
        )
        call.say(
            f"parity: largest difference {parity.max_abs_diff:.3g} over {parity.samples} random "
            f"samples at batches {', '.join(str(batch) for batch in parity.batches)}"
        )


def _dims(text: str) -> tuple[int, ...]:
    from compress.errors import InputError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(
            f"{text!r} is not a shape", where="--shape", cure="e.g. 3,32,32, without the batch"
        )
    return tuple(int(part) for part in parts)


def _check_target(target: str) -> None:
    from compress.errors import InputError

    if Path(target).is_dir():
        raise InputError(
            "is a folder; those of transformers can't be exported yet",
            where=target,
            cure="name a function that builds the module, such as model.py:network",
        )


def _export(
    target: str,
    out: Path,
    *,
    dims: tuple[int, ...],
    weights: Path | None,
    opset: int | None,
    tolerance: float,
) -> tuple[OnnxArtifact, Parity]:
    """The file appears at `out` only when it computes what the module does."""
    import dataclasses

    import numpy as np
    import torch

    from compress.errors import ExportError, InputError
    from compress.recipe.targets import load_target
    from exporters.atomic import atomic_path
    from exporters.export import export as export_module
    from exporters.parity import check_parity
    from exporters.weights import load_into, load_weights

    module = load_target(target, Path.cwd())()
    if not isinstance(module, torch.nn.Module):
        raise InputError(
            f"returned {type(module).__name__}, not a torch module",
            where=target,
            cure="return the module itself",
        )
    if weights is not None:
        load_into(module, load_weights(weights), where=str(weights))
    module.eval()

    def reference(inputs: np.typing.NDArray[np.float32]) -> np.typing.NDArray[np.float32]:
        with torch.no_grad():
            answer: np.typing.NDArray[np.float32] = module(torch.from_numpy(inputs)).numpy()
        return answer

    samples = np.random.default_rng(0).random((_SAMPLES, *dims), dtype=np.float32)
    try:
        reference(samples[:2])
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise InputError(
            f"does not answer float32 inputs of shape {samples[:2].shape}: {said}",
            where=target,
            cure="check --shape, which leaves the batch out",
        ) from error
    with atomic_path(out) as temporary:
        artifact = export_module(module, torch.from_numpy(samples[:2]), path=temporary, opset=opset)
        parity = check_parity(reference, artifact, inputs=samples, atol=tolerance, rtol=tolerance)
        if not parity.passed:
            raise ExportError(
                f"the file differs from the module by {parity.max_abs_diff:.3g}",
                where=target,
                cure="raise --tolerance if that is acceptable; nothing was written",
            )
    return dataclasses.replace(artifact, path=out.absolute()), parity
