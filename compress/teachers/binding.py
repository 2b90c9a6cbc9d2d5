"""How the inputs of a task reach an ONNX file of any framework, and which output holds scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from exporters.values import OnnxArtifact, TensorSpec, shape_fits

Change = Literal["none", "nhwc", "flat"]
Layout = Literal["auto", "nchw", "nhwc"]
_FLOATS = ("float32", "float16", "float64")
_WHOLE = ("int64", "int32")
_ANY_RANK = ("...",)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFit:
    """One input of the file. change: what a batch of the task goes through; dtype: then cast."""

    name: str
    dtype: str
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """inputs: one for each input of the task, in its order; output: the name of the scores."""

    inputs: tuple[InputFit, ...]
    output: str

    def feeds(self, batch: Sequence[NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """What onnxruntime is given of a batch. (batch, ...) each."""
        return {
            fit.name: np.ascontiguousarray(_changed(array, fit.change)).astype(
                fit.dtype, copy=False
            )
            for fit, array in zip(self.inputs, batch, strict=True)
        }


def bind(
    artifact: OnnxArtifact,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    dtypes: Mapping[str, str],
    layout: Layout = "auto",
    output: str | None = None,
) -> Binding:
    """Fit a file to the task's inputs. shapes, dtypes: of one sample, by the task's input names.

    One input may have any name, several are matched by name. Raises InputError for a count, name,
    shape, type or fixed batch that does not fit, and for an output that has to be named.
    """
    where = artifact.path.name
    fits = []
    for name, spec in _matched(artifact.inputs, tuple(shapes), where).items():
        change = _change(spec, shapes[name], layout, where)
        fits.append(
            InputFit(name=spec.name, dtype=_dtype(spec, dtypes[name], where), change=change)
        )
    return Binding(inputs=tuple(fits), output=_scores(artifact.outputs, output, where))


def _changed(array: NDArray[np.generic], change: Change) -> NDArray[np.generic]:
    if change == "nhwc":
        return array.transpose(0, 2, 3, 1)
    return array.reshape(len(array), -1) if change == "flat" else array


def _matched(
    specs: Sequence[TensorSpec], names: tuple[str, ...], where: str
) -> dict[str, TensorSpec]:
    if len(specs) == len(names) == 1:
        return {names[0]: specs[0]}
    by_name = {spec.name: spec for spec in specs}
    if set(by_name) != set(names):
        raise InputError(
            f"{where} takes {_listed(by_name)}, the task gives {_listed(names)}",
            where="teacher.path",
            cure="export it with inputs of these names",
        )
    return {name: by_name[name] for name in names}


def _change(spec: TensorSpec, shape: tuple[int, ...], layout: Layout, where: str) -> Change:
    wanted = spec.shape
    if wanted == _ANY_RANK:
        return "nhwc" if layout == "nhwc" else "none"
    if wanted and isinstance(wanted[0], int):
        raise InputError(
            f"{where} takes batches of {wanted[0]} alone",
            where="teacher.path",
            cure="export it with a dynamic batch",
        )
    sample = wanted[1:]
    as_is, last = shape_fits(sample, shape), False
    if len(shape) == 3:
        last = shape_fits(sample, (*shape[1:], shape[0]))
    if layout != "nchw" and last and (layout == "nhwc" or not as_is):
        return "nhwc"
    if layout != "nhwc" and as_is:
        return "none"
    if len(sample) == 1 and len(shape) > 1 and shape_fits(sample, (math.prod(shape),)):
        return "flat"
    raise InputError(
        f"{where} takes samples of shape {_shown(sample)}, the task's have {_shown(shape)}",
        where="teacher.path",
        cure="use a teacher of this size and these channels"
        + ("" if layout == "auto" else ", or `layout: auto`"),
    )


def _dtype(spec: TensorSpec, given: str, where: str) -> str:
    for family in (_FLOATS, _WHOLE):
        if given in family and spec.dtype in family:
            return spec.dtype
    raise InputError(
        f"the input {spec.name!a} of {where} is {spec.dtype}, the task gives {given} after scaling",
        where="teacher.path",
        cure="export it for the task's prepared inputs, without a step of its own before them",
    )


def _scores(outputs: Sequence[TensorSpec], named: str | None, where: str) -> str:
    if named is not None:
        if named not in [spec.name for spec in outputs]:
            raise InputError(
                f"{where} has no output {named!a}; it has {_listed(s.name for s in outputs)}",
                where="teacher.output",
            )
        return named
    found = [spec.name for spec in outputs if spec.dtype in _FLOATS]
    if len(found) == 1:
        return found[0]
    kinds = ", ".join(f"{spec.name!a} ({spec.dtype})" for spec in outputs)
    if not found:
        cure = "export it so that it gives a tensor (skl2onnx: options={'zipmap': False})"
        raise InputError(
            f"no output of {where} is a tensor of floats: {kinds}", where="teacher.path", cure=cure
        )
    raise InputError(
        f"{where} has several outputs: {kinds}",
        where="teacher.output",
        cure="name the one with the scores: `output: NAME`",
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(ascii(name) for name in names)


def _shown(shape: Sequence[int | str | None]) -> str:
    return " x ".join("?" if size is None else str(size) for size in shape) or "nothing"
