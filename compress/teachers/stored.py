"""One view of a teacher's outputs on disk: written by batch, read by row, never held whole."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.store.tensors_file import Shapes, create_tensors, map_tensors, open_for_writing
from compress.tasks.frames import frames_of, padded_frames, stream_offsets
from compress.teachers.top_k import lengthen, shorten
from exporters.atomic import write_text

MANY_CLASSES = 1000  # above it the k largest are stored
DEFAULT_K = 100
SAVE_EVERY_S = 20.0  # between the marks from which a killed computation goes on
_HALF_RANGE = 6e4  # the largest number of float16 is 65,504


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a view is stored. k: logits kept of each sample, None for all of them.

    float16 keeps each row less its maximum, and that in float32: near it, where probabilities are,
    the error is least.
    """

    dtype: Literal["float32", "float16"] = "float32"
    k: int | None = None

    def shapes(self, samples: int, classes: int, *, streams: int | None = None) -> Shapes:
        """Of the arrays in the file. streams: of which `samples` are the frames."""
        kind = "<f4" if self.dtype == "float32" else "<f2"
        width = classes if self.k is None else self.k
        shapes: dict[str, tuple[str, tuple[int, ...]]] = {"values": (kind, (samples, width))}
        if self.dtype == "float16":
            shapes["peak"] = ("<f4", (samples,))
        if self.k is not None:
            shapes["indices"] = ("<u2" if classes <= 2**16 else "<u4", (samples, width))
            shapes["tail"] = ("<f4", (samples,))
        if streams is not None:
            shapes["offsets"] = ("<i8", (streams + 1,))
        return shapes


def form_for(classes: int, *, dtype: Literal["float32", "float16"], k: int | None) -> Form:
    """The form of a task. k: the recipe's; by default all up to 1,000 classes and 100 above."""
    wanted = DEFAULT_K if k is None and classes > MANY_CLASSES else k
    return Form(dtype=dtype, k=None if wanted is None or wanted >= classes else wanted)


class StoredOutputs:
    """outputs[rows] -> (rows, classes) float32 logits of one view, memory-mapped.

    Of a top-k view the tail is spread evenly (compress.teachers.top_k). Of streams the frames of
    all lie one behind the other, and outputs[rows] is (rows, longest, classes), zero where padded.
    """

    def __init__(self, arrays: dict[str, NDArray[Any]], *, classes: int | None) -> None:
        self.arrays = arrays
        self.classes = arrays["values"].shape[1] if classes is None else classes

    def __len__(self) -> int:
        """Samples: rows, or streams."""
        if "offsets" in self.arrays:
            return len(self.arrays["offsets"]) - 1
        return len(self.arrays["values"])

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if "offsets" not in self.arrays:
            return self._values(rows)
        offsets = self.arrays["offsets"]
        ends = stream_offsets(offsets[rows + 1] - offsets[rows])
        found = self._values(frames_of(offsets, rows))
        return padded_frames(found, ends, np.arange(len(rows)))

    def _values(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        values = self.arrays["values"][rows].astype(np.float32)
        if "peak" in self.arrays:
            values += self.arrays["peak"][rows][:, None]
        if "indices" not in self.arrays:
            return values
        indices = self.arrays["indices"][rows].astype(np.int64)
        return lengthen(indices, values, self.arrays["tail"][rows], classes=self.classes)


def open_outputs(path: Path, *, samples: int, classes: int | None) -> StoredOutputs:
    """The stored outputs of one view. classes: None for embeddings, whose width is the file's.

    InputError when they are those of other data.
    """
    arrays = map_tensors(path)
    values = arrays.get("values")
    wide = values is not None and classes is not None and values.shape[1] > classes
    count = len(arrays["offsets"]) - 1 if "offsets" in arrays else None
    whole = values is not None and (count is None or len(values) == arrays["offsets"][-1])
    if values is None or not whole or wide or (count or len(values)) != samples:
        found = "no values" if values is None else f"values of shape {values.shape}"
        due = f"{samples} samples" + ("" if classes is None else f" of {classes} classes")
        raise InputError(f"holds {found}, and {due} are due", where=str(path))
    return StoredOutputs(arrays, classes=classes)


def write_outputs(
    path: Path,
    batches: Iterable[NDArray[np.int64]],
    answer: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    *,
    samples: int,
    classes: int,
    form: Form,
    about: str,
    offsets: NDArray[np.int64] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Fill a file with the answers for each batch of rows, in any order that covers all rows.

    offsets: (streams + 1,) where each stream's frames begin among all `samples` frames; rows are
    then streams, and an answer holds their frames one behind the other.

    A killed computation left path and a mark beside it; the same call, with the same `about`, goes
    on behind the mark. Equal answers give equal bytes. OSError when the disk is full.
    """
    mark = path.with_name(f"{path.name}.mark")
    streams = None if offsets is None else len(offsets) - 1
    shapes = form.shapes(samples, classes, streams=streams)
    done = _done(path, mark, about)
    arrays = open_for_writing(path, shapes) if done else create_tensors(path, shapes)
    if offsets is not None:
        arrays["offsets"][:] = offsets
    saved_at = clock()
    for number, rows in enumerate(batches):
        if number < done:
            continue
        places = rows if offsets is None else frames_of(offsets, rows)
        _put(arrays, places, answer(rows), form)
        if clock() - saved_at >= SAVE_EVERY_S:
            _flush(path)
            text = json.dumps({"about": about, "batches": number + 1, "bytes": _size(path)})
            write_text(mark, text)
            saved_at = clock()
    _flush(path)
    mark.unlink(missing_ok=True)


def _put(
    arrays: dict[str, NDArray[Any]],
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    form: Form,
) -> None:
    values = scores
    if form.k is not None:
        indices, values, tail = shorten(scores, form.k)
        arrays["indices"][rows], arrays["tail"][rows] = indices, tail
    if form.dtype == "float16":
        peak = values.max(axis=1)
        values = np.maximum(values - peak[:, None], -_HALF_RANGE)
        arrays["peak"][rows] = peak
    arrays["values"][rows] = values


def _done(path: Path, mark: Path, about: str) -> int:
    """Batches that an earlier process has stored for good; 0 where that is not certain."""
    try:
        found = json.loads(mark.read_bytes())
        if found["about"] == about and found["bytes"] == _size(path):
            return int(found["batches"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0


def _size(path: Path) -> int:
    return path.stat().st_size


def _flush(path: Path) -> None:
    """What was written through a mapping, on the disk: Linux keeps one page cache for both."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
