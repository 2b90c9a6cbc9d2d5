"""From a folder per class to Parts: hashed, split by content, decoded into memory or a mapped
file."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.recipe.nodes import AudioFolderTask, ImageFolderTask
from compress.tasks.assemble import OnEvent, Parts
from compress.tasks.class_folders import Listing, SampleFile, SplitName, Wanted, list_files
from compress.tasks.columns import column_of
from compress.tasks.split import TEST_STREAM, VALIDATION_STREAM, default_validation, held_out
from compress.tasks.text_files import read_columns
from exporters.atomic import atomic_path, sha256_file, write_text
from exporters.events import Event

IN_MEMORY_BYTES = 256 * 1024**2  # a larger set is decoded once, into a file that is mapped
MOST_BYTES = 1 << 28  # of one file
_SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
_TOLD_EVERY = 1000
FolderNode = ImageFolderTask | AudioFolderTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """What makes a row of a file. name: of decoder, version and settings, for the cache; decode:
    (bytes, where) -> a row of `shape`, InputError for a file that is broken."""

    wanted: Wanted
    name: tuple[str | int | float, ...]
    shape: tuple[int, ...]
    dtype: type[np.uint8 | np.float32]
    decode: Callable[[bytes, str], NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """A data set's files with their digests. A sample's id is its file's place in the listing."""

    root: Path
    listing: Listing
    digests: tuple[str, ...]

    def rows(self, ids: NDArray[np.int64], decoder: Decoder) -> NDArray[np.generic]:
        """Some samples, read again: (n, *decoder.shape). InputError for a file that changed."""
        files = [self.listing.files[at] for at in ids]
        digests = [self.digests[at] for at in ids]
        return _filled(_rows(files, digests, decoder, on_event=None), len(files), decoder)


def hash_folder(root: Path, wanted: Wanted) -> Hashed:
    """InputError as list_files."""
    listing = list_files(root, wanted)
    digests = tuple(sha256_file(file.path) for file in listing.files)
    return Hashed(root=root, listing=listing, digests=digests)


def folder_parts(
    node: FolderNode,
    hashed: Hashed,
    decoder: Decoder,
    *,
    folder: Path,
    seed: int,
    cache: Path,
    on_event: OnEvent | None = None,
    in_memory_bytes: int = IN_MEMORY_BYTES,
) -> Parts:
    """Rows (n, *decoder.shape); ids number the files in the order of their names.

    Test is test/ or, without one, 20 % (or `test` samples) of all; validation is validation/ or
    10 % (or `validation` samples) of what is left; both by content, so that copies of one file stay
    together. A table in node.columns has a row per file. InputError for a broken file, and for too
    few of them.
    """
    root, noun = hashed.root, decoder.wanted.noun
    listing, digests = hashed.listing, hashed.digests
    where_of = _assign(listing, digests, node, seed=seed, where=str(root), noun=noun)
    order = [np.flatnonzero(where_of == split).astype(np.int64) for split in _SPLITS]
    counts = [len(rows) for rows in order]
    rows = np.concatenate(order)
    labels = np.array([file.label for file in listing.files], dtype=np.int64)
    _check_train(labels[order[0]], listing.classes, where=str(root), noun=noun)
    # In the order of the splits, so that each is a slice: a mapped file is never copied.
    samples = _decode_all(
        [listing.files[row] for row in rows],
        [digests[row] for row in rows],
        decoder,
        store=cache / "data" / f"{noun}s",
        in_memory_bytes=in_memory_bytes,
        on_event=on_event,
    )
    names = [os.fsencode(file.name).hex() for file in listing.files]
    parts = np.split(samples, np.cumsum(counts)[:-1])
    train, validation, test = ((part, labels[ids]) for part, ids in zip(parts, order, strict=True))
    return Parts(
        name=node.kind,
        where=str(root),
        train=train,
        validation=validation,
        test=test,
        classes=listing.classes,
        ids=(order[0], order[1], order[2]),
        notes=listing.notes,
        test_columns=_columns(node, listing, folder=folder, rows=order[2], noun=noun),
        origin=_digest([*zip(names, digests, strict=True)]),
    )


def _columns(
    node: FolderNode, listing: Listing, *, folder: Path, rows: NDArray[np.int64], noun: str
) -> dict[str, NDArray[np.generic]]:
    """What a table says of the test samples. rows: their positions in the listing."""
    if node.columns is None:
        return {}
    known = read_columns(folder / node.columns, key="file")
    for row in rows:
        if listing.files[row].name not in known.rows:
            what = f"says nothing of the test {noun} {listing.files[row].name!a}"
            cure = "write a row for it: its `file` is the path below the data folder"
            raise InputError(what, where=str(folder / node.columns), cure=cure)
    at = [known.rows[listing.files[row].name] for row in rows]
    return {name: column_of(values)[at] for name, values in known.columns.items()}


def _assign(
    listing: Listing,
    digests: Sequence[str],
    node: FolderNode,
    *,
    seed: int,
    where: str,
    noun: str,
) -> NDArray[np.str_]:
    """The split of each file."""
    splits = np.array([file.split for file in listing.files], dtype="U10")
    contents = np.array([int(digest[:16], 16) for digest in digests], dtype=np.uint64)
    if "test" not in listing.splits:
        free = np.flatnonzero(splits == "train")
        count = node.test or max(1, round(len(free) / 5))
        _check_count(count, len(free), where=where, key="task.test", noun=noun)
        splits[free[held_out(contents[free], count, seed=seed, stream=TEST_STREAM)]] = "test"
    elif node.test is not None:
        cure = "remove task.test, or the folder"
        raise InputError("task.test is written and test/ is there", where=where, cure=cure)
    if "validation" not in listing.splits:
        free = np.flatnonzero(splits == "train")
        count = node.validation or default_validation(len(free))
        _check_count(count, len(free), where=where, key="task.validation", noun=noun)
        chosen = free[held_out(contents[free], count, seed=seed, stream=VALIDATION_STREAM)]
        splits[chosen] = "validation"
    elif node.validation:
        cure = "remove task.validation, or the folder"
        raise InputError(
            "task.validation is written and validation/ is there", where=where, cure=cure
        )
    return splits


def _check_count(count: int, available: int, *, where: str, key: str, noun: str) -> None:
    if count >= available:
        raise InputError(
            f"{key}: {count} samples can't be taken from {available}",
            where=where,
            cure=f"ask for fewer or add {noun}s",
        )


def _check_train(
    labels: NDArray[np.int64], classes: tuple[str, ...], *, where: str, noun: str
) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    if (counts == 0).any():
        absent = classes[int(np.argmax(counts == 0))]
        raise InputError(
            f"no sample of class {absent} is left to train on after the split",
            where=where,
            cure=f"add {noun}s of it, or ask for fewer test and validation samples",
        )


def _decode_all(
    files: Sequence[SampleFile],
    digests: Sequence[str],
    decoder: Decoder,
    *,
    store: Path,
    in_memory_bytes: int,
    on_event: OnEvent | None,
) -> NDArray[np.generic]:
    shape = (len(files), *decoder.shape)
    size = math.prod(shape) * np.dtype(decoder.dtype).itemsize
    rows = _rows(files, digests, decoder, on_event=on_event)
    if size <= in_memory_bytes:
        return _filled(rows, len(files), decoder)
    path = store / f"{_digest([*decoder.name, list(digests)])}.npy"
    if not _is_whole(path):
        try:
            store.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise InputError(f"can't be made: {exc.strerror}", where=str(store)) from exc
        with atomic_path(path, need_bytes=size) as temporary:
            # Written, not mapped: a full disk is then an error and not a signal that kills us.
            with temporary.open("wb") as stream:
                descr = np.lib.format.dtype_to_descr(np.dtype(decoder.dtype))
                head = {"descr": descr, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(stream, head)
                for row in rows:
                    stream.write(row.tobytes())
            digest = sha256_file(temporary)
        write_text(_seal(path), digest)
    mapped: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _filled(
    rows: Iterator[NDArray[np.generic]], count: int, decoder: Decoder
) -> NDArray[np.generic]:
    samples: NDArray[np.generic] = np.empty((count, *decoder.shape), dtype=decoder.dtype)
    for index, row in enumerate(rows):
        samples[index] = row
    return samples


def _rows(
    files: Sequence[SampleFile],
    digests: Sequence[str],
    decoder: Decoder,
    *,
    on_event: OnEvent | None,
) -> Iterator[NDArray[np.generic]]:
    for index, (file, digest) in enumerate(zip(files, digests, strict=True)):
        row = _row(file, digest, decoder)
        if on_event is not None and index % _TOLD_EVERY == 0:
            what = f"decoding {decoder.wanted.noun}s"
            on_event(Event("progress", "task", what, index / len(files)))
        yield row


def _row(file: SampleFile, digest: str, decoder: Decoder) -> NDArray[np.generic]:
    """The row of a file, which has to be what `digest` says."""
    where = os.fsencode(file.path).decode(errors="replace")
    try:
        with file.path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as exc:
        raise InputError(f"can't be read: {exc.strerror}", where=where) from exc
    if len(data) > MOST_BYTES:
        what = f"more than {MOST_BYTES:,} bytes are too many for one {decoder.wanted.noun}"
        raise InputError(what, where=where, cure="make it smaller")
    if hashlib.sha256(data).hexdigest() != digest:
        raise InputError("changed while it was read", where=where, cure="run again")
    return decoder.decode(data, where)


def _seal(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _is_whole(path: Path) -> bool:
    """Whether the file is there and is what was written: else it is decoded again."""
    try:
        return _seal(path).read_text() == sha256_file(path)
    except (OSError, InputError, UnicodeDecodeError):
        return False


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
