"""Image folders: listed, hashed, split by content, decoded into memory or a mapped file."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.recipe.nodes import ImageFolderTask
from compress.tasks.assemble import OnEvent, Parts
from compress.tasks.columns import column_of
from compress.tasks.image_decode import DECODER, MOST_BYTES, decode_image
from compress.tasks.image_files import ImageFile, Listing, SplitName, list_images
from compress.tasks.split import TEST_STREAM, VALIDATION_STREAM, default_validation, held_out
from compress.tasks.text_files import read_columns
from exporters.atomic import atomic_path, sha256_file, write_text
from exporters.events import Event

IN_MEMORY_BYTES = 256 * 1024**2  # a larger set is decoded once, into a file that is mapped
_SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
_TOLD_EVERY = 1000


def image_folder(
    node: ImageFolderTask,
    *,
    folder: Path,
    seed: int,
    cache: Path,
    on_event: OnEvent | None = None,
    in_memory_bytes: int = IN_MEMORY_BYTES,
) -> Parts:
    """uint8 images (n, channels, size, size); ids number the files in the order of their names.

    Test is test/ or, without one, 20 % (or `test` samples) of all; validation is validation/ or
    10 % (or `validation` samples) of what is left; both by content, so that copies of one file stay
    together. A table in node.columns has a row per file. InputError for a broken image, and as
    list_images.
    """
    root = folder / node.data
    listing = list_images(root)
    digests = [sha256_file(file.path) for file in listing.files]
    where_of = _assign(listing, digests, node, seed=seed, where=str(root))
    order = [np.flatnonzero(where_of == split).astype(np.int64) for split in _SPLITS]
    counts = [len(rows) for rows in order]
    rows = np.concatenate(order)
    labels = np.array([file.label for file in listing.files], dtype=np.int64)
    _check_train(labels[order[0]], listing.classes, where=str(root))
    # In the order of the splits, so that each is a slice: a mapped file is never copied.
    images = _decode_all(
        [listing.files[row] for row in rows],
        [digests[row] for row in rows],
        node,
        store=cache / "data" / "images",
        in_memory_bytes=in_memory_bytes,
        on_event=on_event,
    )
    names = [os.fsencode(file.name).hex() for file in listing.files]
    parts = np.split(images, np.cumsum(counts)[:-1])
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
        test_columns=_columns(node, listing, folder=folder, rows=order[2]),
        origin=_digest([*zip(names, digests, strict=True)]),
    )


def _columns(
    node: ImageFolderTask, listing: Listing, *, folder: Path, rows: NDArray[np.int64]
) -> dict[str, NDArray[np.generic]]:
    """What a table says of the test images. rows: their positions in the listing."""
    if node.columns is None:
        return {}
    known = read_columns(folder / node.columns, key="file")
    for row in rows:
        if listing.files[row].name not in known.rows:
            what = f"says nothing of the test image {listing.files[row].name!a}"
            cure = "write a row for it: its `file` is the path below the data folder"
            raise InputError(what, where=str(folder / node.columns), cure=cure)
    at = [known.rows[listing.files[row].name] for row in rows]
    return {name: column_of(values)[at] for name, values in known.columns.items()}


def _assign(
    listing: Listing, digests: Sequence[str], node: ImageFolderTask, *, seed: int, where: str
) -> NDArray[np.str_]:
    """The split of each file."""
    splits = np.array([file.split for file in listing.files], dtype="U10")
    contents = np.array([int(digest[:16], 16) for digest in digests], dtype=np.uint64)
    if "test" not in listing.splits:
        free = np.flatnonzero(splits == "train")
        count = node.test or max(1, round(len(free) / 5))
        _check_count(count, len(free), where=where, key="task.test")
        splits[free[held_out(contents[free], count, seed=seed, stream=TEST_STREAM)]] = "test"
    elif node.test is not None:
        cure = "remove task.test, or the folder"
        raise InputError("task.test is written and test/ is there", where=where, cure=cure)
    if "validation" not in listing.splits:
        free = np.flatnonzero(splits == "train")
        count = node.validation or default_validation(len(free))
        _check_count(count, len(free), where=where, key="task.validation")
        chosen = free[held_out(contents[free], count, seed=seed, stream=VALIDATION_STREAM)]
        splits[chosen] = "validation"
    elif node.validation:
        cure = "remove task.validation, or the folder"
        raise InputError(
            "task.validation is written and validation/ is there", where=where, cure=cure
        )
    return splits


def _check_count(count: int, available: int, *, where: str, key: str) -> None:
    if count >= available:
        raise InputError(
            f"{key}: {count} samples can't be taken from {available}",
            where=where,
            cure="ask for fewer or add images",
        )


def _check_train(labels: NDArray[np.int64], classes: tuple[str, ...], *, where: str) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    if (counts == 0).any():
        absent = classes[int(np.argmax(counts == 0))]
        raise InputError(
            f"no sample of class {absent} is left to train on after the split",
            where=where,
            cure="add images of it, or ask for fewer test and validation samples",
        )


def _decode_all(
    files: Sequence[ImageFile],
    digests: Sequence[str],
    node: ImageFolderTask,
    *,
    store: Path,
    in_memory_bytes: int,
    on_event: OnEvent | None,
) -> NDArray[np.uint8]:
    shape = (len(files), node.channels, node.size, node.size)
    rows = _rows(files, digests, node, on_event=on_event)
    if math.prod(shape) <= in_memory_bytes:
        images = np.empty(shape, dtype=np.uint8)
        for index, row in enumerate(rows):
            images[index] = row
        return images
    path = store / f"{_digest([DECODER, node.size, node.channels, list(digests)])}.npy"
    if not _is_whole(path):
        try:
            store.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise InputError(f"can't be made: {exc.strerror}", where=str(store)) from exc
        with atomic_path(path, need_bytes=math.prod(shape)) as temporary:
            # Written, not mapped: a full disk is then an error and not a signal that kills us.
            with temporary.open("wb") as stream:
                head = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(stream, head)
                for row in rows:
                    stream.write(row.tobytes())
            digest = sha256_file(temporary)
        write_text(_seal(path), digest)
    mapped: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _rows(
    files: Sequence[ImageFile],
    digests: Sequence[str],
    node: ImageFolderTask,
    *,
    on_event: OnEvent | None,
) -> Iterator[NDArray[np.uint8]]:
    for index, (file, digest) in enumerate(zip(files, digests, strict=True)):
        where = os.fsencode(file.path).decode(errors="replace")
        try:
            with file.path.open("rb") as stream:
                data = stream.read(MOST_BYTES + 1)
        except OSError as exc:
            raise InputError(f"can't be read: {exc.strerror}", where=where) from exc
        if len(data) <= MOST_BYTES and hashlib.sha256(data).hexdigest() != digest:
            raise InputError("changed while it was read", where=where, cure="run again")
        row = decode_image(data, size=node.size, channels=node.channels, where=where)
        if on_event is not None and index % _TOLD_EVERY == 0:
            on_event(Event("progress", "task", "decoding images", index / len(files)))
        yield row


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
