"""Named arrays in one safetensors file, read and written through the page cache: no copy in memory.

The layout is safetensors' own (https://github.com/huggingface/safetensors#format), so any tool of
that format opens the files.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporters.errors import InputError
from exporters.weights_file import check_header

# bfloat16 and the 8-bit floats have no numpy type.
_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2",
    "U32": "<u4", "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip
_NAMES = {np.dtype(text): name for name, text in _DTYPES.items()}
Shapes = Mapping[str, tuple[str, tuple[int, ...]]]  # name -> numpy type, shape


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file, read-only and memory-mapped, by name.

    Raises InputError when it is missing, damaged, or holds a type that numpy lacks.
    """
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size == 0:
                raise InputError("is empty", where=str(path), cure="write it again")
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        what = f"can't be read: {error.strerror}"
        raise InputError(what, where=str(path), cure="check the path") from error
    header = check_header(data, path)
    start = 8 + int.from_bytes(data[:8], "little")
    arrays: dict[str, NDArray[Any]] = {}
    for name, entry in header.items():
        if name.startswith("__"):
            continue
        if entry["dtype"] not in _DTYPES:
            what = f"tensor {name!r} is {entry['dtype']}, which numpy lacks"
            raise InputError(what, where=str(path), cure="store it as F16 or F32")
        arrays[name] = np.frombuffer(
            data,
            dtype=_DTYPES[entry["dtype"]],
            count=math.prod(entry["shape"]),
            offset=start + entry["data_offsets"][0],
        ).reshape(entry["shape"])
    return arrays


def create_tensors(path: Path, shapes: Shapes) -> dict[str, NDArray[Any]]:
    """A new file of zeros at path, and its arrays, mapped for writing.

    The disk is reserved first: OSError when it is full, and not a signal on a later write.
    """
    head = _header(shapes)
    sizes = {name: np.dtype(kind).itemsize * math.prod(shape) for name, (kind, shape) in
             shapes.items()}  # fmt: skip
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        os.posix_fallocate(descriptor, 0, len(head) + sum(sizes.values()))
        os.pwrite(descriptor, head, 0)
    finally:
        os.close(descriptor)
    return open_for_writing(path, shapes)


def open_for_writing(path: Path, shapes: Shapes) -> dict[str, NDArray[Any]]:
    """The arrays of a file that create_tensors made with these shapes, mapped for writing."""
    arrays: dict[str, NDArray[Any]] = {}
    at = len(_header(shapes))
    for name in _order(shapes):
        kind, shape = shapes[name]
        arrays[name] = np.memmap(path, dtype=kind, mode="r+", offset=at, shape=shape)
        at += np.dtype(kind).itemsize * math.prod(shape)
    return arrays


def _order(shapes: Shapes) -> list[str]:
    """Widest type first, so that every array is aligned; then by name."""
    return sorted(shapes, key=lambda name: (-np.dtype(shapes[name][0]).itemsize, name))


def _header(shapes: Shapes) -> bytes:
    entries: dict[str, Any] = {}
    at = 0
    for name in _order(shapes):
        kind, shape = shapes[name]
        end = at + np.dtype(kind).itemsize * math.prod(shape)
        entries[name] = {
            "dtype": _NAMES[np.dtype(kind)], "shape": list(shape), "data_offsets": [at, end]
        }  # fmt: skip
        at = end
    raw = json.dumps(dict(sorted(entries.items())), separators=(",", ":")).encode("ascii")
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw
