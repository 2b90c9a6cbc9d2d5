"""Blobs, index and work folders of one cache folder, opened for the length of a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from compress.store import locks
from compress.store.blobs import Blobs
from compress.store.index import Entry, Index
from compress.store.keys import StageKey
from exporters.atomic import remove_stale_temporaries, write_bytes
from exporters.errors import InputError


class Store:
    """A cache folder in use: what this process has hit or made stays until it is closed."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.blobs = Blobs(root)
        self.index = Index(root, blobs=self.blobs)
        self._held: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let `prune` have the results again."""
        while self._held:
            os.close(self._held.popitem()[1])

    def hold(self, key: StageKey) -> None:
        """Keep a result from `prune` until close."""
        if key.digest not in self._held:
            self._held[key.digest] = self.index.hold(key)

    def paths(self, entry: Entry) -> Mapping[str, Path]:
        """The files of a result, verified. Raises BlobMissing."""
        return {name: self.blobs.path(digest) for name, digest in entry.files.items()}

    def work(self, key: StageKey) -> Path:
        """The work folder of a computation: the same after a kill, with its checkpoints."""
        return self.root / "work" / key.digest

    def clear_work(self, key: StageKey) -> None:
        """Remove the work folder, if there is one."""
        shutil.rmtree(self.work(key), ignore_errors=True)

    @contextmanager
    def adopting(self) -> Iterator[None]:
        """Between storing blobs and the entry that names them, `prune` must not run."""
        with locks.shared(adoption_lock(self.root)):
            yield


def adoption_lock(root: Path) -> Path:
    """The lock that writers share and that `prune` takes alone while it removes blobs."""
    return root / "leases" / "adoption"


def open_store(root: str | os.PathLike[str]) -> Store:
    """Open a cache folder, made where absent. InputError when it can't be written (exit 2)."""
    folder = Path(root)
    cure = "choose another with --cache"
    try:
        for part in ("blobs", "index", "leases", "work"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        what = f"the cache folder can't be made: {exc.strerror or exc}"
        raise InputError(what, where=str(folder), cure=cure) from exc
    write_bytes(folder / "leases" / "writable", b"")
    remove_stale_temporaries(folder / "leases")
    return Store(folder)
