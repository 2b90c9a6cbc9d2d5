"""Which files a stage made under which key: one checked JSON file per result, and its locks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compress.store import locks
from compress.store.blobs import BlobMissing, Blobs, is_digest, set_aside
from compress.store.keys import Json, StageKey, canonical, plain
from exporters.atomic import sha256_bytes, write_bytes
from exporters.errors import DistilError

_STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_LARGEST_ENTRY = 64 << 20  # bytes; more is no index entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One stored result. parts: what was hashed into key; files: name -> digest of a blob."""

    key: str
    stage: str
    parts: Mapping[str, Json]
    files: Mapping[str, str]
    meta: Mapping[str, Json] = field(default_factory=dict)
    created_at: str  # ISO 8601, UTC
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A look-up: the entry, or why there is none where there should be one ('' : never stored)."""

    entry: Entry | None
    damage: str = ""


class Index:
    """Entries in root/index/<stage>/<key>.json, locks in root/leases."""

    def __init__(self, root: str | os.PathLike[str], *, blobs: Blobs | None = None) -> None:
        self.root = Path(root)
        self.folder = self.root / "index"
        self.leases = self.root / "leases"
        self.blobs = blobs if blobs is not None else Blobs(root)

    def get(self, key: StageKey | str) -> Entry | None:
        """The result under key, if its entry and all its files are here and intact."""
        return self.find(key).entry

    def find(self, key: StageKey | str) -> Found:
        """As get, and says what was damaged; damaged files are moved aside."""
        digest = _digest(key)
        damage = ""
        for path in sorted(self.folder.glob(f"*/{digest}.json")):
            try:
                entry = read_entry(path)
                for blob in entry.files.values():
                    self.blobs.path(blob)
            except BlobMissing as exc:
                damage = exc.what
            except DistilError as exc:
                damage = f"the stored entry was damaged ({exc.what})"
                set_aside(path, self.blobs.aside)
            else:
                with suppress(OSError):
                    os.utime(path)  # last use, for `prune`
                return Found(entry=entry)
        return Found(entry=None, damage=damage)

    def put(self, entry: Entry) -> None:
        """Store or replace an entry, its blobs first. ValueError when key is not that of parts."""
        if StageKey(entry.stage, entry.parts).digest != entry.key:
            raise ValueError(
                f"entry of stage {entry.stage}: the key is not the digest of its parts"
            )
        for blob in entry.files.values():
            self.blobs.path(blob)
        path = self.path(entry.stage, entry.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = canonical(asdict(entry))
        write_bytes(path, body + b"\nsha256 " + sha256_bytes(body).encode() + b"\n")

    def path(self, stage: str, key: str) -> Path:
        """Where an entry is or would be."""
        if _STAGE.fullmatch(stage) is None:
            raise ValueError(
                f"a stage name of letters, digits, '_', '.', '-' is due, not {stage!r}"
            )
        return self.folder / stage / f"{_digest(key)}.json"

    @contextmanager
    def lease(
        self, key: StageKey | str, on_wait: locks.OnWait | None = None, *, wait: bool = True
    ) -> Iterator[None]:
        """The right to compute key, for one process at a time; released when the process dies.

        on_wait is told once who holds it. wait=False raises locks.Busy instead.
        """
        with locks.exclusive(self._lock(key), wait=wait, on_wait=on_wait):
            yield

    def hold(self, key: StageKey | str) -> int:
        """Keep `prune` from a result while it is used; close the descriptor to let go."""
        return locks.take_shared(self.in_use(key))

    def in_use(self, key: StageKey | str) -> Path:
        """The lock file that users of a result share."""
        return self.leases / f"{_digest(key)}.use"

    def entries(self, *, stage: str | None = None) -> Iterator[Entry]:
        """Every readable entry (of one stage), files unchecked; others are skipped and left."""
        for path in self.paths(stage=stage):
            with suppress(DistilError):
                yield read_entry(path)

    def paths(self, *, stage: str | None = None) -> Iterator[Path]:
        """The entry files, unchecked, in order."""
        pattern = f"{stage}/*.json" if stage is not None else "*/*.json"
        for path in sorted(self.folder.glob(pattern)):
            if is_digest(path.stem):
                yield path

    def _lock(self, key: StageKey | str) -> Path:
        return self.leases / f"{_digest(key)}.lock"


def read_entry(path: Path) -> Entry:
    """Read and check one entry file. DistilError when it is not what was written."""
    try:
        if path.stat().st_size > _LARGEST_ENTRY:
            raise DistilError("larger than any entry", where=str(path))
        data = path.read_bytes()
    except OSError as exc:
        raise DistilError(f"can't be read: {exc.strerror or exc}", where=str(path)) from exc
    body, newline, rest = data.partition(b"\n")
    if not newline or rest != b"sha256 " + sha256_bytes(body).encode() + b"\n":
        raise DistilError("its checksum differs", where=str(path))
    try:
        entry = _parse(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DistilError("it is not an entry", where=str(path)) from exc
    if (entry.key, entry.stage) != (path.stem, path.parent.name):
        raise DistilError("it belongs to another place", where=str(path))
    if StageKey(entry.stage, entry.parts).digest != entry.key:
        raise DistilError("its key is not the digest of its parts", where=str(path))
    return entry


def _parse(value: dict[str, Any]) -> Entry:
    files = value["files"]
    if not all(is_digest(blob) for blob in files.values()):
        raise ValueError("a digest is malformed")
    return Entry(
        key=value["key"],
        stage=value["stage"],
        parts=plain(value["parts"]),
        files=dict(files),
        meta=plain(value["meta"]),
        created_at=str(value["created_at"]),
        seconds=float(value["seconds"]),
    )


def _digest(key: StageKey | str) -> str:
    digest = key.digest if isinstance(key, StageKey) else key
    if not is_digest(digest):
        raise ValueError(f"not a key: {digest!r}")
    return digest
