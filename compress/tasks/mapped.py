"""Large splits in mapped files: what a training holds in memory does not grow with them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.store.tensors_file import create_tensors, map_tensors

IN_MEMORY_BYTES = 256 * 1024**2  # larger splits are mapped
_CHUNK_BYTES = 4 * 1024**2  # read, hashed and written together
_NAME = "inputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedFiles:
    """Where large splits go, and from which size on."""

    folder: Path
    in_memory_bytes: int = IN_MEMORY_BYTES


def rows_of(
    inputs: NDArray[np.generic], rows: NDArray[np.int64] | None, *, mapping: MappedFiles | None
) -> NDArray[np.generic]:
    """Some rows of (n, ...) inputs, or all with None: in memory, or mapped from a file of theirs.

    The file is named by what it holds; one that holds something else is written again. DistilError
    of the disk is raised as InputError, naming the folder.
    """
    count = len(inputs) if rows is None else len(rows)
    size = count * (inputs[:1].nbytes if len(inputs) else 0)
    if mapping is None or size <= mapping.in_memory_bytes:
        return inputs if rows is None else inputs[rows]
    if rows is None and _is_mapped(inputs):
        return inputs
    wanted = np.arange(count) if rows is None else rows
    digest = _digest(inputs, wanted)
    path = mapping.folder / f"{digest}.safetensors"
    found = _opened(path, digest)
    if found is None:
        _write(inputs, wanted, path)
        found = _opened(path, digest)
    if found is None:
        raise InputError("does not hold what was written", where=str(path), cure="check the disk")
    return found


def _is_mapped(inputs: NDArray[np.generic]) -> bool:
    base: object = inputs
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def _chunks(rows: NDArray[np.int64], row_bytes: int) -> list[NDArray[np.int64]]:
    step = max(1, _CHUNK_BYTES // max(1, row_bytes))
    return [rows[at : at + step] for at in range(0, len(rows), step)]


def _digest(inputs: NDArray[np.generic], rows: NDArray[np.int64]) -> str:
    head = [inputs.dtype.str, len(rows), *inputs.shape[1:]]
    total = hashlib.blake2b(json.dumps(head).encode(), digest_size=32)
    for part in _chunks(rows, inputs[:1].nbytes):
        total.update(np.ascontiguousarray(inputs[part]).data)
    return total.hexdigest()


def _opened(path: Path, digest: str) -> NDArray[np.generic] | None:
    """The mapped rows; None where the file is absent or holds something else."""
    if not path.is_file():
        return None
    try:
        found: NDArray[np.generic] = map_tensors(path)[_NAME]
    except (InputError, KeyError):
        return None
    return found if _digest(found, np.arange(len(found))) == digest else None


def _write(inputs: NDArray[np.generic], rows: NDArray[np.int64], path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: several processes of one training may write the same file.
        descriptor, name = tempfile.mkstemp(prefix=".mapped-", dir=path.parent)
        os.close(descriptor)
        try:
            shape = (len(rows), *inputs.shape[1:])
            made = create_tensors(Path(name), {_NAME: (inputs.dtype.str, shape)})[_NAME]
            at = 0
            for part in _chunks(rows, inputs[:1].nbytes):
                made[at : at + len(part)] = inputs[part]
                at += len(part)
            made.flush()  # type: ignore[attr-defined]  # a memmap
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"large inputs can't be written: {error.strerror or error}",
            where=str(path.parent),
            cure="free disk space, or name another cache folder with DISTIL_CACHE",
        ) from error
