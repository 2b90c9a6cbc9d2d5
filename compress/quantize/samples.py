"""The user's samples as batches: some calibrate, the others say what was lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.quantize.feeds import Batch, checked_feeds, rows_of
from exporters.values import TensorSpec

Data = NDArray[Any] | Mapping[str, NDArray[Any]] | Sequence[Batch] | Callable[[], Iterable[Batch]]
LABELS = "labels"  # an array of this name that is no input holds the right classes
CALIBRATE, HOLD_OUT, BATCH = 512, 1024, 8
_LEAST = 8  # samples held out, below which nothing can be said
_MOST_SHARED = 0.01  # of those held out: copies of what calibrates say little
_EVERY = 3  # one batch in so many calibrates, the others are held out


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Batches by input name. calibration can be iterated again and again; labels: of held_out."""

    calibration: Iterable[Mapping[str, NDArray[Any]]]
    held_out: Sequence[Mapping[str, NDArray[Any]]]
    labels: NDArray[np.int64] | None

    @property
    def count(self) -> int:
        """Samples held out."""
        return sum(rows_of(feeds) for feeds in self.held_out)


def split_samples(data: Data, inputs: Sequence[TensorSpec]) -> Samples:
    """Batches alternate: one calibrates (512 samples at most), the next two are held out (1,024).

    data: an array or arrays by input name with samples along the first axis, batches of those, or a
    function that gives such batches anew at each call. InputError: too few, they don't fit, or more
    than 1 % of those held out also calibrate.
    """
    batches = _batches(data, inputs)
    held: list[Mapping[str, NDArray[Any]]] = []
    labels: list[NDArray[Any]] = []
    calibrating: list[bytes] = []  # digests of samples
    judging: list[bytes] = []
    calibrated = kept = 0
    for number, batch in enumerate(batches()):
        feeds, right = _without_labels(batch, inputs, number)
        if not rows_of(feeds):
            continue
        if number % _EVERY == 0:
            if calibrated < CALIBRATE:
                calibrating += _digests(feeds)
            calibrated += rows_of(feeds)
        elif kept < HOLD_OUT:
            held.append(feeds)
            judging += _digests(feeds)
            kept += rows_of(feeds)
            if right is not None:
                labels.append(right)
        elif calibrated >= CALIBRATE:
            break
    if kept < _LEAST:
        what = f"{calibrated + kept} samples are too few: {_LEAST} are held out at least"
        raise InputError(what, cure=f"give {_EVERY * BATCH} or more, best 1,500")
    _check_apart(calibrating, judging)
    if labels and sum(map(len, labels)) != kept:
        raise InputError("some batches have labels and some have none", cure="give all or none")
    return Samples(
        calibration=_Calibration(batches, inputs),
        held_out=tuple(held),
        labels=np.concatenate(labels).astype(np.int64) if labels else None,
    )


def _digests(feeds: Mapping[str, NDArray[Any]]) -> list[bytes]:
    """Of what each sample holds, all inputs together; nothing where no input has samples."""
    arrays = [array for _, array in sorted(feeds.items()) if array.ndim]
    found = []
    for at in range(rows_of(feeds) if arrays else 0):
        total = hashlib.blake2b(digest_size=16)
        for array in arrays:
            total.update(np.ascontiguousarray(array[at]).tobytes())
        found.append(total.digest())
    return found


def _check_apart(calibrating: Iterable[bytes], held_out: Sequence[bytes]) -> None:
    known = set(calibrating)
    shared = sum(digest in known for digest in held_out)
    if shared > _MOST_SHARED * len(held_out):
        raise InputError(
            f"{shared:,} of {len(held_out):,} samples that say what is lost "
            f"({shared / len(held_out):.2%}) are also among those that calibrate",
            cure="give each sample once",
        )


class _Calibration:
    """Every third batch, up to 512 samples; read anew by each iteration, nothing kept."""

    def __init__(
        self, batches: Callable[[], Iterable[Batch]], inputs: Sequence[TensorSpec]
    ) -> None:
        self._batches, self._inputs = batches, inputs

    def __iter__(self) -> Iterator[Mapping[str, NDArray[Any]]]:
        samples = 0
        for number, batch in enumerate(self._batches()):
            if number % _EVERY == 0:
                feeds, _ = _without_labels(batch, self._inputs, number)
                yield feeds
                samples += rows_of(feeds)
                if samples >= CALIBRATE:
                    return


def _batches(data: Data, inputs: Sequence[TensorSpec]) -> Callable[[], Iterable[Batch]]:
    if callable(data):
        return data
    if isinstance(data, np.ndarray):
        if len(inputs) != 1:
            names = ", ".join(spec.name for spec in inputs)
            what = f"one array is given, and the model takes {len(inputs)} inputs: {names}"
            raise InputError(what, cure="give an array for each by its name, as in an .npz file")
        data = {inputs[0].name: data}
    if isinstance(data, Mapping):
        return _cut(data, inputs)
    kept = list(data)
    return lambda: kept


def _cut(
    arrays: Mapping[str, NDArray[Any]], inputs: Sequence[TensorSpec]
) -> Callable[[], Iterable[Batch]]:
    """Batches of 8, or of the batch that the model has fixed."""
    rows = {name: len(array) for name, array in arrays.items() if np.ndim(array)}
    if len(set(rows.values())) != 1:
        said = ", ".join(f"{name}: {count}" for name, count in sorted(rows.items())) or "none"
        raise InputError(f"the arrays hold different numbers of samples ({said})")
    count = next(iter(rows.values()))
    fixed = [spec.shape[0] for spec in inputs if spec.shape and isinstance(spec.shape[0], int)]
    size = int(fixed[0]) if fixed and len(fixed) == len(inputs) else BATCH
    starts = range(0, count - size + 1 if fixed else count, size)
    return lambda: (
        {n: a[at : at + size] if n in rows else a for n, a in arrays.items()} for at in starts
    )


def _without_labels(
    batch: Batch, inputs: Sequence[TensorSpec], number: int
) -> tuple[Mapping[str, NDArray[Any]], NDArray[Any] | None]:
    right = None
    if isinstance(batch, Mapping) and LABELS in batch and all(s.name != LABELS for s in inputs):
        right = np.asarray(batch[LABELS])
        batch = {name: array for name, array in batch.items() if name != LABELS}
        if right.ndim != 1 or right.dtype.kind not in "iu":
            what = f"are {right.dtype} of shape {right.shape}, not whole numbers, one per sample"
            raise InputError(what, where=f"labels of batch {number}")
    return checked_feeds(batch, inputs, where=f"batch {number} of the samples"), right
