"""What a file answers: all that it gives in floats, and which of it is the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.quantize.feeds import rows_of
from exporters.session import open_session, runtime_error

_MOST_BYTES = 2**28  # of the other outputs that are kept, so that maps of features fit in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """first: (n, values) of the output `name`. others: by name, each batch's (samples, values), or
    (1, values) where its first axis is no batch; the first batches, as many as 256 MiB hold."""

    name: str
    first: NDArray[np.float64]
    others: Mapping[str, tuple[NDArray[np.float32], ...]]


def all_answers(
    path: Path, batches: Iterable[Mapping[str, NDArray[Any]]], *, threads: int = 1
) -> Answers:
    """Of a file to all samples. Raises as answers()."""
    name = ""
    first: list[NDArray[np.float64]] = []
    others: dict[str, list[NDArray[np.float32]]] = {}
    kept = 0
    for name, rows, given in _each(path, batches, threads=threads):
        first.append(np.asarray(given[name], dtype=np.float64).reshape(rows, -1))
        if kept > _MOST_BYTES:
            continue
        for other, value in given.items():
            if other != name and value.dtype.kind == "f":
                count = rows if _is_batch(value, rows) else 1
                flat = value.astype(np.float32).reshape(count, -1)
                others.setdefault(other, []).append(flat)
                kept += flat.nbytes
    return Answers(
        name=name,
        first=_joined(first, path),
        others={other: tuple(parts) for other, parts in others.items()},
    )


def answers(
    path: Path, batches: Iterable[Mapping[str, NDArray[Any]]], *, threads: int = 1
) -> NDArray[np.float64]:
    """The answer to each sample, flattened: (n, values). It is the first output in floats whose
    first axis is the batch. InputError where there is none."""
    found = [
        np.asarray(given[name], dtype=np.float64).reshape(rows, -1)
        for name, rows, given in _each(path, batches, threads=threads)
    ]
    return _joined(found, path)


def _each(
    path: Path, batches: Iterable[Mapping[str, NDArray[Any]]], *, threads: int
) -> Iterator[tuple[str, int, dict[str, NDArray[Any]]]]:
    """Of each batch: the name of the answer, samples, and arrays by name."""
    session = open_session(path, threads=threads)
    names = [output.name for output in session.get_outputs()]
    chosen = ""
    for feeds in batches:
        try:
            values = session.run(None, dict(feeds))
        except Exception as exc:  # onnxruntime's exceptions have no common base class
            raise runtime_error(exc, where=str(path)) from exc
        rows = rows_of(feeds)
        given = {
            name: value
            for name, value in zip(names, values, strict=True)
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
        }
        fitting = [name for name, value in given.items() if _is_batch(value, rows)]
        floats = [name for name in fitting if given[name].dtype.kind == "f"]
        chosen = chosen or next(iter((*floats, *fitting)), "")
        if chosen not in fitting:
            shapes = ", ".join(f"`{name}` of {np.shape(value)}" for name, value in given.items())
            what = f"a batch of {rows} gave {shapes or 'no arrays'}"
            raise InputError(what, where=str(path), cure="one needs the batch as its first axis")
        yield chosen, rows, given


def _is_batch(value: NDArray[Any], rows: int) -> bool:
    return value.ndim > 0 and len(value) == rows


def _joined(parts: list[NDArray[np.float64]], path: Path) -> NDArray[np.float64]:
    if len({part.shape[1] for part in parts}) > 1:
        what = "gives answers whose size differs from batch to batch"
        raise InputError(what, where=str(path), cure="give samples of one length")
    return np.concatenate(parts)
