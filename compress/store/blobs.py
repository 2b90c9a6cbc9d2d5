"""Files by the SHA-256 of their bytes: written atomically, hashed again when they are read."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from exporters.atomic import atomic_path, sha256_bytes, sha256_file
from exporters.errors import DistilError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_Stamp = tuple[int, int, int, int]


class BlobMissing(DistilError):
    """No intact file with this digest; what was damaged has been moved aside."""


def is_digest(text: object) -> bool:
    """Whether text is 64 hexadecimal digits: the only names that become paths here."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


class Blobs:
    """Objects in root/blobs/ab/abcd...; damaged ones go to root/aside."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.folder = Path(root) / "blobs"
        self.aside = Path(root) / "aside"
        self._verified: dict[str, _Stamp] = {}  # hashed by this process, and not written since

    def put_file(self, path: str | os.PathLike[str], *, move: bool = False) -> str:
        """Store a copy of a file, or the file itself (move=True); its digest.

        Raises InputError (can't be read), DistilError (disk full, changed while it was copied).
        """
        source = Path(path)
        digest = sha256_file(source)
        target = self._place(digest)
        if self._present(digest):
            os.utime(target)  # in use again: `prune` spares what is new
            self._verified[digest] = _stamp(target)
        elif not (move and self._moved(source, target, digest)):
            with atomic_path(target, need_bytes=source.stat().st_size) as temporary:
                shutil.copyfile(source, temporary)
                self._check(temporary, digest, source)
            self._seal(target, digest)
        if move:
            with suppress(FileNotFoundError):
                source.unlink()
        return digest

    def put_bytes(self, data: bytes) -> str:
        """Store bytes; their digest."""
        digest = sha256_bytes(data)
        target = self._place(digest)
        if self._present(digest):
            os.utime(target)
            self._verified[digest] = _stamp(target)
        else:
            with atomic_path(target, need_bytes=len(data)) as temporary:
                temporary.write_bytes(data)
                self._check(temporary, digest, target)
            self._seal(target, digest)
        return digest

    def path(self, digest: str) -> Path:
        """The file with this digest, hashed again unless this process did so since it was written.

        Raises BlobMissing; a file that is not what its name says is moved aside first.
        """
        target = self.place(digest)
        try:
            stamp = _stamp(target)
        except OSError as exc:
            self._verified.pop(digest, None)
            raise BlobMissing(
                f"the stored file {digest[:12]} is gone", where=str(self.folder)
            ) from exc
        if self._verified.get(digest) == stamp:
            return target
        if sha256_file(target) != digest:
            self._verified.pop(digest, None)
            set_aside(target, self.aside)
            what = f"stored file {digest[:12]} was damaged and is moved to {self.aside}"
            raise BlobMissing(what, where=str(target))
        self._verified[digest] = stamp
        return target

    def has(self, digest: str) -> bool:
        """Whether an intact file with this digest is here."""
        try:
            self.path(digest)
        except DistilError:
            return False
        return True

    def place(self, digest: str) -> Path:
        """Where the file with this digest is or would be."""
        if not is_digest(digest):
            raise ValueError(f"not a SHA-256 digest: {digest!r}")
        return self.folder / digest[:2] / digest

    def digests(self) -> Iterator[str]:
        """What is stored, unchecked, in order."""
        for path in sorted(self.folder.glob("??/*")):
            if is_digest(path.name):
                yield path.name

    def _place(self, digest: str) -> Path:
        target = self.place(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _present(self, digest: str) -> bool:
        return self.place(digest).exists() and self.has(digest)

    def _moved(self, source: Path, target: Path, digest: str) -> bool:
        """Rename source into the store; False where only a copy is safe or possible."""
        found = source.lstat()
        if source.is_symlink() or found.st_nlink != 1:
            return False  # another name would keep a way to write to the stored bytes
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.replace(source, target)
        except OSError as exc:
            if exc.errno == errno.EXDEV:
                return False
            raise
        _sync(target.parent)
        if sha256_file(target) != digest:
            set_aside(target, self.aside)
            raise DistilError("changed while it was stored", where=str(source))
        self._seal(target, digest)
        return True

    def _check(self, temporary: Path, digest: str, source: Path) -> None:
        if sha256_file(temporary) != digest:
            raise DistilError("changed while it was stored", where=str(source))

    def _seal(self, target: Path, digest: str) -> None:
        with suppress(OSError):
            os.chmod(target, 0o444)  # a library that opens it to write is told so
        self._verified[digest] = _stamp(target)


def set_aside(path: Path, folder: Path) -> None:
    """Move a damaged file where nothing reads it; where that fails it is left and not used."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        os.replace(path, folder / f"{path.name}.{secrets.token_hex(4)}")


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some file systems can't
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
