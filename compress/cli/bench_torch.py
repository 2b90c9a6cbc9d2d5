"""Torch modules among the arguments of `distil bench`: which they are, and what they are fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compress.errors import InputError

if TYPE_CHECKING:
    from benchmarks.feeds import Inputs
    from benchmarks.sources import TorchSource


def is_target(model: Path) -> bool:
    """`model.py:teacher` or `pkg.mod:factory`: a colon, and no such file."""
    return ":" in str(model) and not model.exists()


def with_torch(
    subjects: Mapping[str, Path],
    *,
    weights: Sequence[Path],
    compiled: bool,
    shapes: Sequence[str],
    data: Inputs | None,
) -> dict[str, Path | TorchSource]:
    """The same subjects, with modules for targets; each also compiled, where that is asked for.

    weights: none, or one file per target in their order. Inputs are those of the first ONNX file,
    else what --shape or --data give.
    """
    targets = [name for name, path in subjects.items() if is_target(path)]
    if not targets and (weights or compiled):
        option = "--weights" if weights else "--compile"
        what = f"{option} belongs to a torch module, and none is named"
        raise InputError(what, cure="name one as model.py:function")
    if weights and len(weights) != len(targets):
        what = f"{len(weights)} files of weights for {len(targets)} torch modules"
        raise InputError(what, where="--weights", cure="give it once per module, in their order")
    if not targets:
        return dict(subjects)
    from benchmarks.feeds import read_shapes
    from compress.teachers.torch_source import torch_source
    from exporters.artifact import open_artifact

    files = [path for path in subjects.values() if not is_target(path)]
    like = open_artifact(files[0]).inputs if files else None
    found: dict[str, Path | TorchSource] = {}
    for name, path in subjects.items():
        if name not in targets:
            found[name] = path
            continue
        source = torch_source(
            str(path),
            folder=Path.cwd(),
            weights=weights[targets.index(name)] if weights else None,
            like=like,
            shapes=read_shapes(shapes),
            data=data,
        )
        found[f"{name} (torch)"] = source
        if compiled:
            found[f"{name} (compiled)"] = replace(source, compiled=True)
    return found
