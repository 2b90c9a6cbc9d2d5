"""Files that are complete or absent: temporary beside the target, fsync, rename, fsync the folder.

A reader sees the old bytes or the new ones, never a mix, whatever kills the writer. SQLite's test
method (fail the N-th system call, N = 1, 2, ... until none is hit) holds it to that.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from exporters.errors import DistilError, InputError, MachineFailed

_TEMPORARY = re.compile(r"^\..*\.(\d+)\.[0-9a-f]{8}\.tmp$", re.DOTALL)
_NAME_BYTES = 255  # NAME_MAX of every common file system
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BAD_PATH = {
    errno.ENOENT: "the folder does not exist",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.EISDIR: "is a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "too many symbolic links",
}


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, need_bytes: int | None = None) -> Iterator[Path]:
    """Yield an empty temporary file beside path; a clean exit commits it, anything else removes it.

    Check what was written inside the block: an exception there keeps the old file. need_bytes: the
    size to come, for the message of a full disk. Raises InputError (path not writable, exit 2) or
    DistilError (disk full, I/O error, exit 4). A reader never sees a part of the new file.
    """
    target = Path(path)
    try:
        temporary, lock = _create(target)
    except OSError as exc:
        raise _named(exc, target, need_bytes) from exc
    try:
        try:
            yield temporary
        except OSError as exc:
            if _concerns(exc, temporary):
                raise _named(exc, target, need_bytes or _size(temporary)) from exc
            raise
        try:
            _sync_file(temporary)
            os.replace(temporary, target)
            _sync_folder(target.parent)
        except OSError as exc:
            raise _named(exc, target, need_bytes or _size(temporary)) from exc
    finally:
        with suppress(OSError):  # gone after a commit
            os.unlink(temporary)
        os.close(lock)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file atomically. Raises as atomic_path does."""
    with atomic_path(path, need_bytes=len(data)) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CLOEXEC)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)
        if (found := os.stat(temporary).st_size) != len(data):
            raise DistilError(f"wrote {found} of {len(data)} bytes", where=str(path))


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 atomically; a lone surrogate (from a file name that is not UTF-8) is escaped."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON atomically: ASCII, key order kept. ValueError on NaN and infinity: not JSON."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's bytes. InputError when it can't be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        raise InputError(f"can't be read: {exc.strerror or exc}", where=str(path)) from exc


def remove_stale_temporaries(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove what writers that died left in folder (not below it); return what was removed.

    A temporary is stale when its process is gone and nobody holds its lock: process numbers alone
    say nothing where two containers share a folder.
    """
    removed: list[Path] = []
    with suppress(OSError):
        for entry in sorted(os.scandir(folder), key=lambda item: item.name):
            match = _TEMPORARY.match(entry.name)
            if match is None or not entry.is_file(follow_symlinks=False):
                continue
            if not _alive(int(match[1])) and _unlocked(entry.path):
                with suppress(OSError):
                    os.unlink(entry.path)
                    removed.append(Path(entry.path))
    return removed


def _create(target: Path) -> tuple[Path, int]:
    """An empty temporary that did not exist before, and a descriptor that holds its lock."""
    tail = f".{os.getpid()}.{secrets.token_hex(4)}.tmp"
    name = os.fsencode(target.name)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if len(name) > _NAME_BYTES:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(target))
    stem = os.fsdecode(name[: _NAME_BYTES - len(tail) - 1])
    temporary = target.parent / f".{stem}{tail}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o666)
    with suppress(OSError):  # a file system without locks: the process number alone decides
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return temporary, descriptor


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in {errno.EINVAL, errno.ENOTSUP}:  # folders can't be synced there
            raise
    finally:
        os.close(descriptor)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    # Our own number on a file that we don't hold is an earlier life of this number: a container's
    # first process has the same one each time. The lock tells.
    return process != os.getpid()


def _unlocked(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return True


def _concerns(exc: OSError, temporary: Path) -> bool:
    """Whether an error in the caller's block is about our file, and not about one that it read."""
    if exc.filename is None:
        return exc.errno in _FULL | {errno.EFBIG, errno.EIO}
    return Path(os.fsdecode(exc.filename)) == temporary


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _named(exc: OSError, target: Path, need_bytes: int | None) -> DistilError:
    """The one line for what the system said about target."""
    where, said = str(target), exc.strerror or str(exc)
    if exc.errno in _FULL:
        need = f"{need_bytes:,} bytes" if need_bytes else "more"
        try:
            have = f"{shutil.disk_usage(target.parent).free:,} bytes"
        except OSError:
            have = "less"
        cure = "free some space or choose another folder; the earlier file is untouched"
        return MachineFailed(f"disk full: need {need}, have {have}", where=where, cure=cure)
    if exc.errno == errno.EFBIG:
        cure = "raise `ulimit -f`; the earlier file is untouched"
        return MachineFailed(f"larger than the file size limit ({said})", where=where, cure=cure)
    if exc.errno in _NOT_ALLOWED:
        cure = "choose a folder that you may write to"
        return InputError(f"can't be written: {said}", where=where, cure=cure)
    if exc.errno in _BAD_PATH:
        what = f"can't be written: {_BAD_PATH[exc.errno]}"
        return InputError(what, where=where, cure="choose another path")
    return MachineFailed(f"can't be written: {said}", where=where)
