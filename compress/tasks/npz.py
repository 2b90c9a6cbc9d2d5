"""Arrays from an npz file: no pickle, names from a closed list, sizes checked before allocating."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError

_MOST_RATIO = 1032  # the most that deflate can shrink anything: more is a lie in the directory
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes
_LISTED = 8  # names in a message


def read_npz(
    path: Path, *, names: Collection[str], prefix: str | None = None
) -> dict[str, NDArray[np.generic]]:
    """All arrays of the file. names: those that it may hold; any other is refused by name. prefix:
    of names that it may hold too, of texts or numbers.

    InputError when it is missing, no zip file, damaged, holds objects (pickles) or other names.
    """
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_names([member.filename for member in members], names, prefix, where=where)
            return {
                stem: _member(archive, member, where=where, texts=stem not in names)
                for member in members
                for stem in (member.filename.removesuffix(".npy"),)
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise InputError(
            f"not an npz file, or a damaged one ({exc})",
            where=where,
            cure="write it with numpy.savez or savez_compressed",
        ) from exc
    except OSError as exc:
        raise InputError(f"can't be read: {exc.strerror or exc}", where=where) from exc


def _check_names(
    found: list[str], names: Collection[str], prefix: str | None, *, where: str
) -> None:
    stems = [name.removesuffix(".npy") for name in found]
    refused = [
        stem
        for stem in stems
        if stem not in names and (prefix is None or not stem.startswith(prefix))
    ]
    if refused:
        shown = ", ".join(repr(stem) for stem in refused[:_LISTED])
        more = f" and {len(refused) - _LISTED} more" if len(refused) > _LISTED else ""
        raise InputError(
            f"holds {shown}{more}",
            where=where,
            cure=f"keep these names alone: {', '.join(names)}"
            + (f", {prefix}NAME" if prefix is not None else ""),
        )
    if len(set(stems)) != len(stems):
        raise InputError("holds two arrays of one name", where=where)


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, *, where: str, texts: bool = False
) -> NDArray[np.generic]:
    place = f"{where}: {member.filename.removesuffix('.npy')}"
    if member.compress_type not in _METHODS:
        raise InputError("compressed by a method that numpy does not write", where=place)
    if member.file_size > _MOST_RATIO * max(member.compress_size, 1):
        raise InputError(
            f"claims {member.file_size:,} bytes from {member.compress_size:,}: damaged or hostile",
            where=place,
        )
    with archive.open(member) as stream:
        shape, fortran, dtype, header_bytes = _header(stream, where=place, texts=texts)  # type: ignore[arg-type]
        need = math.prod(shape) * dtype.itemsize
        if header_bytes + need != member.file_size:
            raise InputError(
                f"the header {shape} of {dtype} asks for {need:,} bytes, "
                f"{member.file_size - header_bytes:,} are there",
                where=place,
            )
        values = bytearray(need)
        view, filled = memoryview(values), 0
        while filled < need:
            part = stream.read(min(need - filled, 1 << 20))
            if not part:
                raise InputError(f"truncated: {filled:,} of {need:,} bytes", where=place)
            view[filled : filled + len(part)] = part
            filled += len(part)
        stream.read(1)  # the end of a member is where zipfile checks its CRC
    array = np.frombuffer(values, dtype=dtype)
    array = array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
    return np.ascontiguousarray(array, dtype=dtype.newbyteorder("="))


def _header(
    stream: BinaryIO, *, where: str, texts: bool
) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, whether in Fortran order, dtype, and the bytes that the header itself takes."""
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
        else:
            raise InputError(f"a .npy header of version {version}", where=where)
    except ValueError as exc:
        raise InputError(f"not a .npy array ({exc})", where=where) from exc
    if dtype.hasobject:
        raise InputError(
            "holds Python objects, which only a pickle can store: refused",
            where=where,
            cure="save plain numbers",
        )
    if dtype.kind not in ("biufU" if texts else "biuf"):
        raise InputError(f"is of type {dtype}, not numbers", where=where)
    return shape, fortran, dtype, stream.tell()
