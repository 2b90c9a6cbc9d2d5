"""What else is known of test samples: columns to look at them by, and which belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.metrics.slices import RESERVED
from compress.tasks.data import Samples


def checked_columns(
    columns: Mapping[str, NDArray[np.generic]], *, samples: int, where: str
) -> dict[str, NDArray[np.generic]]:
    """Each as an array of texts or numbers, (samples,). InputError otherwise, and for a name that
    slices have already."""
    found = {}
    for name, given in columns.items():
        at = f"{where}: test_columns[{name!r}]"
        if not isinstance(name, str) or not name or name in RESERVED:
            cure = f"give it another name; taken are {', '.join(sorted(RESERVED))}"
            raise InputError("is no name for a column", where=at, cure=cure)
        values = np.asarray(given)
        if values.dtype.kind == "O":
            values = np.array([str(value) for value in values.ravel()])
        if values.dtype.kind not in "biufU" or values.shape != (samples,):
            raise InputError(
                f"is {values.dtype} of shape {values.shape}, not one value per test sample",
                where=at,
                cure=f"give {samples} texts or numbers",
            )
        found[name] = values
    return found


def column_of(values: Sequence[object]) -> NDArray[np.generic]:
    """A column of a table, (n,): numbers where every value that is there is one, else texts.

    What is absent or empty is NaN among numbers, and "(empty)" among texts. "1_0" is a text: names
    are written so, and Python alone reads it as ten.
    """
    texts = ["" if value is None else str(value).strip() for value in values]
    try:
        numbers = [_number(text) if text else np.nan for text in texts]
    except ValueError:
        return np.array([text or "(empty)" for text in texts])
    if not any(texts):
        return np.array(["(empty)"] * len(texts))
    return np.array(numbers)


def _number(text: str) -> float:
    if "_" in text:
        raise ValueError(text)
    return float(text)


def group_numbers(texts: Sequence[str]) -> NDArray[np.int64]:
    """Equal texts as equal numbers, (n,): which group each sample is of."""
    _, numbers = np.unique(np.array(texts), return_inverse=True)
    return numbers.astype(np.int64)


def checked_groups(
    groups: NDArray[np.integer] | None, *, samples: int, where: str
) -> NDArray[np.int64] | None:
    """int64 (samples,). InputError for another shape, or values that are no integers."""
    if groups is None:
        return None
    values = np.asarray(groups)
    if values.dtype.kind not in "iu" or values.shape != (samples,):
        raise InputError(
            f"is {values.dtype} of shape {values.shape}, not one integer per test sample",
            where=f"{where}: test_groups",
            cure="number the recordings or documents that samples are of",
        )
    return values.astype(np.int64)


def columns_digest(samples: Samples) -> str:
    """SHA-256 over all columns and groups, for the fingerprint."""
    total = hashlib.sha256()
    for name, values in samples.columns.items():
        total.update(f"{name}\0{values.dtype.kind}\0".encode())
        total.update("\0".join(map(str, values.tolist())).encode("utf-8", "surrogatepass"))
    if samples.groups is not None:
        total.update(samples.groups.astype("<i8").tobytes())
    return total.hexdigest()
