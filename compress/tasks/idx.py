"""Arrays from IDX files, plain or gzipped. The header is checked before anything is allocated.

Format: two zero bytes, a type code, the number of axes, each length as a big-endian 32-bit number,
then the values in C order (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 8
_GZIP_RATIO = 1032  # the most that deflate can shrink anything


def read_idx(path: Path) -> NDArray[np.generic]:
    """The array of an IDX file in native byte order; `.gz` or not is told by the first bytes.

    InputError when the file is missing, of another format, truncated, longer than its header says,
    or damaged (the checksum of gzip).
    """
    try:
        with path.open("rb") as raw:
            return parse_idx(raw, where=str(path), stored_bytes=os.fstat(raw.fileno()).st_size)
    except OSError as exc:
        raise InputError(f"can't be read: {exc.strerror or exc}", where=str(path)) from exc


def parse_idx(stored: BinaryIO, *, where: str, stored_bytes: int) -> NDArray[np.generic]:
    """As read_idx, from a seekable stream that holds stored_bytes."""
    compressed = stored.read(2) == b"\x1f\x8b"
    stored.seek(0)
    if not compressed:
        return _read(stored, where=where, most_bytes=stored_bytes)
    try:
        with gzip.GzipFile(fileobj=stored) as stream:
            return _read(stream, where=where, most_bytes=stored_bytes * _GZIP_RATIO)
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise InputError(f"damaged or truncated gzip file ({exc})", where=where) from exc


def _read(stream: BinaryIO | gzip.GzipFile, *, where: str, most_bytes: int) -> NDArray[np.generic]:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        raise InputError(_not_idx(head), where=where)
    axes = head[3]
    if not 1 <= axes <= _MOST_AXES:
        raise InputError(f"an IDX header of {axes} axes", where=where)
    lengths = stream.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise InputError("truncated within its IDX header", where=where)
    shape = struct.unpack(f">{axes}I", lengths)
    dtype = np.dtype(_TYPES[head[2]])
    need = math.prod(shape) * dtype.itemsize
    if need > most_bytes:  # a small file can't make us allocate much
        raise InputError(
            f"truncated: the header {shape} asks for {need:,} bytes, the file can't hold them",
            where=where,
        )
    values = bytearray(need)
    view, filled = memoryview(values), 0
    while filled < need:
        part = stream.read(min(need - filled, 1 << 20))
        if not part:
            raise InputError(f"truncated: {filled:,} of {need:,} bytes of {shape}", where=where)
        view[filled : filled + len(part)] = part
        filled += len(part)
    if stream.read(1):
        raise InputError(f"longer than its header {shape} says", where=where)
    array = np.frombuffer(values, dtype=dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _not_idx(head: bytes) -> str:
    if not head:
        return "empty file"
    if head[:1] == b"<":
        return "not an IDX file: it looks like an HTML page (a failed download?)"
    if head[:2] == b"PK":
        return "not an IDX file: it looks like a zip archive"
    if head[:4] == b"vers":
        return "not an IDX file: it looks like a Git LFS pointer (run `git lfs pull`)"
    return "not an IDX file: the first bytes are not those of one"
