"""Samples as a network takes them: one array, or an array for each input by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from exporters.values import TensorSpec, shape_fits

Batch = NDArray[Any] | Mapping[str, NDArray[Any]]


def rows_of(feeds: Mapping[str, NDArray[Any]]) -> int:
    """Samples in a batch: the length of the first input that has an axis."""
    return next((len(array) for array in feeds.values() if array.ndim), 1)


def checked_feeds(
    batch: Batch, inputs: Sequence[TensorSpec], *, where: str
) -> dict[str, NDArray[Any]]:
    """The arrays by input name. InputError, at where, when one doesn't fit or isn't finite."""
    if not isinstance(batch, Mapping):
        if len(inputs) != 1:
            names = ", ".join(spec.name for spec in inputs)
            what = f"is one array, and the model takes {len(inputs)} inputs: {names}"
            raise InputError(what, where=where, cure="give a mapping with an array for each")
        batch = {inputs[0].name: batch}
    wanted = {spec.name for spec in inputs}
    if set(batch) != wanted:
        what = f"has arrays for {', '.join(sorted(batch))}; the model takes {sorted(wanted)}"
        raise InputError(what, where=where, cure="give an array for each input by its name")
    return {spec.name: _checked(batch[spec.name], spec, where=where) for spec in inputs}


def _checked(array: object, spec: TensorSpec, *, where: str) -> NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.dtype.name != spec.dtype:
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise InputError(f"is {found}, not a {spec.dtype} array", where=where, cure="convert it")
    if not shape_fits(spec.shape, array.shape):
        what = f"has shape {array.shape}, the input `{spec.name}` takes {spec.shape}"
        raise InputError(what, where=where, cure="prepare samples as for inference")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError("holds NaN or infinity", where=where, cure="clean the samples")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)  # onnxruntime reads no other
    return np.ascontiguousarray(native) if array.ndim else native
