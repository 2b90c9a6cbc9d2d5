"""Looks at, checks and shrinks a cache folder; what a running process uses is never touched."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from compress.store import locks
from compress.store.blobs import Blobs
from compress.store.index import Entry, Index, read_entry
from compress.store.store import adoption_lock
from exporters.atomic import remove_stale_temporaries, sha256_file
from exporters.errors import DistilError, InputError

_ORPHAN_SECONDS = 3600.0  # a blob that no entry names yet may be about to get one


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRow:
    """One stored result. size_bytes counts a file that several results share in each of them."""

    entry: Entry
    size_bytes: int
    last_used: float  # seconds since 1970
    in_use: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCheck:
    """What `verify` found; removed: one line for each thing that was bad and is gone now."""

    entries: int
    blobs: int
    size_bytes: int
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What `prune` removed. in_use: results that were due but belong to a running process."""

    entries: int
    freed_bytes: int
    in_use: int
    left_bytes: int


def list_entries(root: str | os.PathLike[str]) -> tuple[CacheRow, ...]:
    """Every readable result, last used first. InputError when there is no cache."""
    index = _index(root)
    rows = []
    for path in index.paths():
        with suppress(DistilError, OSError):
            entry = read_entry(path)
            rows.append(
                CacheRow(
                    entry=entry,
                    size_bytes=sum(
                        _blob_bytes(digest, index.blobs) for digest in set(entry.files.values())
                    ),
                    last_used=path.stat().st_mtime,
                    in_use=_used(index, entry.key),
                )
            )
    return tuple(sorted(rows, key=lambda row: (-row.last_used, row.entry.key)))


def stored_bytes(root: str | os.PathLike[str]) -> int:
    """Bytes of all stored files; one that several results share counts once."""
    blobs = _index(root).blobs
    return sum(_blob_bytes(digest, blobs) for digest in blobs.digests())


def verify_cache(root: str | os.PathLike[str]) -> CacheCheck:
    """Hash every stored file again; remove what is damaged and the results that named it."""
    index = _index(root)
    removed: list[str] = []
    good: set[str] = set()
    size_bytes = 0
    for digest in index.blobs.digests():
        path = index.blobs.place(digest)
        with locks.shared(adoption_lock(index.root)):
            if not path.exists():
                continue
            if _hashes_to(path, digest):
                good.add(digest)
                size_bytes += path.stat().st_size
                continue
        with locks.sole(adoption_lock(index.root), wait=True):
            if path.exists() and not _hashes_to(path, digest):
                path.unlink()
                removed.append(f"file {digest[:12]}: its bytes are not those that were stored")
    entries = 0
    for path in index.paths():
        problem = _problem(path, index.blobs, good)
        if problem is None:
            entries += 1
        elif _remove_entry(path, index):
            removed.append(f"result {path.parent.name}/{path.stem[:12]}: {problem}")
    return CacheCheck(
        entries=entries, blobs=len(good), size_bytes=size_bytes, removed=tuple(removed)
    )


def prune(
    root: str | os.PathLike[str],
    *,
    older_than_seconds: float | None = None,
    max_bytes: int | None = None,
    clock: Callable[[], float] = time.time,
) -> Pruned:
    """Remove results unused for so long, then the longest unused ones until max_bytes holds.

    Work folders of stopped computations go by their age alone. With neither limit only leftovers
    go: damaged files, temporaries of dead processes, files that no result names.
    """
    index = _index(root)
    now = clock()
    with locks.sole(adoption_lock(index.root), wait=True):
        before = _total_bytes(index)
        rows = list_entries(root)
        users = Counter(digest for row in rows for digest in set(row.entry.files.values()))
        kept_bytes = sum(_blob_bytes(digest, index.blobs) for digest in users)
        removed = in_use = 0
        freed: set[str] = set()
        for row in reversed(rows):
            expired = older_than_seconds is not None and now - row.last_used > older_than_seconds
            if not expired and (max_bytes is None or kept_bytes <= max_bytes):
                continue
            if not _remove_entry(index.path(row.entry.stage, row.entry.key), index):
                in_use += 1
                continue
            removed += 1
            for digest in set(row.entry.files.values()):
                users[digest] -= 1
                if users[digest] == 0:
                    freed.add(digest)
                    kept_bytes -= _blob_bytes(digest, index.blobs)
        named = {digest for digest, count in users.items() if count}
        _remove_unnamed(index.blobs, named, freed, now)
        if older_than_seconds is not None:
            _remove_work(index, now - older_than_seconds)
        _remove_leftovers(index)
        left = _total_bytes(index)
    return Pruned(
        entries=removed, freed_bytes=max(0, before - left), in_use=in_use, left_bytes=left
    )


def _index(root: str | os.PathLike[str]) -> Index:
    if not (Path(root) / "index").is_dir():
        raise InputError("no cache is here", where=str(root), cure="name the folder with --cache")
    return Index(root)


def _problem(path: Path, blobs: Blobs, good: set[str]) -> str | None:
    try:
        entry = read_entry(path)
    except DistilError as exc:
        return exc.what
    for name, digest in entry.files.items():
        # A file that came while we looked has not been hashed yet.
        if digest not in good and not blobs.has(digest):
            return f"its {name} is missing"
    return None


def remove_result(index: Index, entry: Entry) -> bool:
    """Remove a stored result that only this process holds; whether it is gone.

    Its files stay until `prune`, for other results may share them.
    """
    try:
        with index.lease(entry.key, wait=False):
            index.path(entry.stage, entry.key).unlink(missing_ok=True)
            return True
    except locks.Busy:
        return False


def _remove_entry(path: Path, index: Index) -> bool:
    """Remove an entry that no process computes or uses; whether it is gone."""
    key = path.stem
    try:
        with (
            index.lease(key, wait=False),
            locks.sole(index.in_use(key), wait=False) as alone,
        ):
            if alone:
                path.unlink(missing_ok=True)
            return alone
    except locks.Busy:
        return False


def _used(index: Index, key: str) -> bool:
    with locks.sole(index.in_use(key), wait=False) as alone:
        return not alone


def _remove_unnamed(blobs: Blobs, named: set[str], freed: set[str], now: float) -> None:
    for digest in blobs.digests():
        path = blobs.place(digest)
        if digest not in named and (digest in freed or _age(path, now) > _ORPHAN_SECONDS):
            with suppress(OSError):
                path.unlink()


def _remove_work(index: Index, before: float) -> None:
    for folder in sorted((index.root / "work").glob("*")):
        newest = max((path.stat().st_mtime for path in (folder, *folder.rglob("*"))), default=0.0)
        with suppress(locks.Busy, ValueError):  # ValueError: not a key, so none of ours
            if newest < before:
                with index.lease(folder.name, wait=False):
                    shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(index: Index) -> None:
    shutil.rmtree(index.blobs.aside, ignore_errors=True)
    for folder in (index.leases, *index.folder.glob("*"), *index.blobs.folder.glob("??")):
        remove_stale_temporaries(folder)


def _hashes_to(path: Path, digest: str) -> bool:
    try:
        return sha256_file(path) == digest
    except InputError:
        return False


def _age(path: Path, now: float) -> float:
    try:
        found = path.stat()
    except OSError:
        return 0.0
    return now - max(found.st_mtime, found.st_ctime)


def _blob_bytes(digest: str, blobs: Blobs) -> int:
    try:
        return blobs.place(digest).stat().st_size
    except OSError:
        return 0


def _total_bytes(index: Index) -> int:
    total = 0
    for part in (index.folder, index.blobs.folder, index.blobs.aside, index.root / "work"):
        for path in part.rglob("*"):
            with suppress(OSError):
                total += path.stat().st_size if path.is_file() else 0
    return total
