"""What is refused before a task is built: inputs and labels that can't be trained on or judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError

_CHUNK = 4096  # rows looked at together: a memory-mapped array stays on disk
_LISTED = 5


def checked_labels(labels: NDArray[np.generic], *, samples: int, where: str) -> NDArray[np.int64]:
    """(n,) class indices as int64. InputError for another shape, length, type, or a negative."""
    if labels.ndim != 1:
        cure = "give one class index per sample, not one-hot rows or a column"
        raise InputError(f"labels have the shape {labels.shape}", where=where, cure=cure)
    if len(labels) != samples:
        raise InputError(f"{len(labels)} labels for {samples} samples", where=where)
    if not np.issubdtype(labels.dtype, np.integer):
        cure = "labels are class indices: 0, 1, 2, ..."
        raise InputError(f"labels are {labels.dtype}, not integers", where=where, cure=cure)
    if samples and int(labels.max()) > np.iinfo(np.int64).max:
        raise InputError(f"label {labels.max()} is out of range", where=where)
    checked: NDArray[np.int64] = np.ascontiguousarray(labels, dtype=np.int64)
    if samples and checked.min() < 0:
        first = int(np.argmax(checked < 0))
        raise InputError(
            f"label {checked[first]} of sample {first} is negative",
            where=where,
            cure="drop samples without a class and number classes from 0",
        )
    return checked


def check_range(labels: NDArray[np.int64], classes: Sequence[str], *, where: str) -> None:
    """InputError when a label has no class name."""
    outside = np.flatnonzero(labels >= len(classes))
    if len(outside):
        first = int(outside[0])
        raise InputError(
            f"{len(outside)} labels are out of range: sample {first} has {labels[first]}, "
            f"with {len(classes)} classes the last is {len(classes) - 1}",
            where=where,
            cure="number classes from 0, or name all of them",
        )


def check_inputs(inputs: NDArray[np.generic], *, where: str) -> None:
    """InputError unless (n, ...) uint8 or finite float32 with n and every axis at least 1."""
    if inputs.ndim < 2:
        cure = "the first axis counts samples"
        raise InputError(f"inputs have the shape {inputs.shape}", where=where, cure=cure)
    if len(inputs) == 0:
        raise InputError("there are no samples", where=where)
    if 0 in inputs.shape:
        raise InputError(f"inputs of shape {inputs.shape} hold nothing", where=where)
    if inputs.dtype == np.uint8:
        return
    if inputs.dtype != np.float32:
        cure = "convert them to uint8 or float32"
        raise InputError(f"inputs are {inputs.dtype}", where=where, cure=cure)
    bad = [
        start + int(row)
        for start in range(0, len(inputs), _CHUNK)
        for row in np.flatnonzero(
            ~np.isfinite(inputs[start : start + _CHUNK])
            .reshape(len(inputs[start : start + _CHUNK]), -1)
            .all(axis=1)
        )
    ]
    if bad:
        shown = ", ".join(str(row) for row in bad[:_LISTED])
        more = ", ..." if len(bad) > _LISTED else ""
        raise InputError(
            f"{len(bad)} samples hold NaN or infinity: {shown}{more}",
            where=where,
            cure="repair or drop them",
        )


def check_classes(classes: Sequence[str], *, where: str) -> None:
    """InputError unless there are two or more names, all different, none empty."""
    if any(not isinstance(name, str) or not name.strip() for name in classes):
        raise InputError("a class name is empty or not text", where=where)
    if len(set(classes)) != len(classes):
        twice = sorted({name for name in classes if list(classes).count(name) > 1})
        raise InputError(f"class names appear twice: {', '.join(twice)}", where=where)
    if len(classes) < 2:
        raise InputError(
            f"there is {len(classes)} class; a classifier needs two or more", where=where
        )
