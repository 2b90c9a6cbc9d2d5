"""A torch module that is timed: found and tried here, built again in the timed child."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.feeds import Dims, Inputs
from benchmarks.sources import TorchSource
from compress.errors import InputError
from compress.recipe.targets import load_target, target_digest
from exporters.atomic import sha256_bytes, sha256_file
from exporters.values import TensorSpec
from exporters.weights import load_into, load_weights


def load_module(target: str, folder: str, weights: str = "") -> torch.nn.Module:
    """The module that a target builds, with its weights. Raises InputError."""
    module = load_target(target, Path(folder))()
    if not isinstance(module, torch.nn.Module):
        what = f"returned {type(module).__name__}, not a torch module"
        raise InputError(what, where=target, cure="return the module itself")
    if weights:
        load_into(module, load_weights(weights), where=weights)
    return module.eval()


def torch_source(
    target: str,
    *,
    folder: Path,
    weights: Path | None = None,
    like: Sequence[TensorSpec] | None = None,
    shapes: Mapping[str, Dims] | None = None,
    data: Inputs | None = None,
) -> TorchSource:
    """What is fed comes from `like` (an ONNX file's inputs, in order), else from data or shapes
    (without the batch; float32) by the names of forward's arguments.

    Raises InputError: no such target, no module, weights or inputs that do not fit.
    """
    module = load_module(target, str(folder), "" if weights is None else str(weights))
    inputs = tuple(like) if like else _inputs(target, module, shapes or {}, data)
    _try(target, module, inputs)
    code = target_digest(target, folder)
    held = "" if weights is None else sha256_file(weights)
    return TorchSource(
        path=Path(target),
        loader=f"{__name__}:load_module",
        arguments={
            "target": target,
            "folder": str(folder.absolute()),
            "weights": "" if weights is None else str(weights.absolute()),
        },
        inputs=inputs,
        digest=sha256_bytes(f"torch {code} {held}".encode()),
        size_bytes=sum(t.numel() * t.element_size() for t in module.state_dict().values()),
    )


def _inputs(
    target: str, module: torch.nn.Module, shapes: Mapping[str, Dims], data: Inputs | None
) -> tuple[TensorSpec, ...]:
    arguments = [
        name
        for name, parameter in inspect.signature(module.forward).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if data is None:
        given = {name: ("float32", _without_batch(dims)) for name, dims in shapes.items()}
    elif isinstance(data, Mapping):
        given = {name: (array.dtype.name, array.shape[1:]) for name, array in data.items()}
    else:
        given = dict.fromkeys(arguments[:1], (data.dtype.name, data.shape[1:]))
    if set(given) != set(arguments):
        example = " ".join(f"--shape {name}=3,32,32" for name in arguments)
        takes, has = ", ".join(arguments) or "nothing", ", ".join(given) or "nothing"
        what = f"takes {takes}, and {has} is given"
        cure = f"give the shape of one sample as in {example}, or samples with --data"
        raise InputError(what, where=target, cure=cure)
    return tuple(
        TensorSpec(name=name, dtype=given[name][0], shape=(None, *given[name][1]))
        for name in arguments
    )


def _without_batch(dims: Dims) -> tuple[int, ...]:
    return tuple(dim for dim in dims if dim is not None)


def _try(target: str, module: torch.nn.Module, inputs: Sequence[TensorSpec]) -> None:
    """Two samples of zeros, before anything long is started."""
    shapes = [tuple(dim if isinstance(dim, int) else 2 for dim in spec.shape) for spec in inputs]
    feeds = [
        torch.from_numpy(np.zeros(shape, np.dtype(spec.dtype)))
        for spec, shape in zip(inputs, shapes, strict=True)
    ]
    try:
        with torch.inference_mode():
            module(*feeds)
    except Exception as error:  # whatever the user's module raises
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        takes = ", ".join(
            f"{spec.dtype} {shape}" for spec, shape in zip(inputs, shapes, strict=True)
        )
        what = f"does not answer {takes}: {said}"
        raise InputError(what, where=target, cure="check --shape or --data") from error
