"""Locks that the kernel releases when their holder dies, whatever kills it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from exporters.errors import DistilError

OnWait = Callable[[str], None]


class Busy(DistilError):
    """Somebody else holds the lock; `what` names the process and the host."""


@contextmanager
def exclusive(path: Path, *, wait: bool = True, on_wait: OnWait | None = None) -> Iterator[None]:
    """Hold a file lock for the length of the block.

    on_wait is told once who holds it. wait=False raises Busy at once instead.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as exc:
        if not wait:
            raise Busy(f"in use by {holder(path)}", where=str(path)) from exc
        if on_wait is not None:
            on_wait(f"waiting for {holder(path)}")
        lock.acquire()
    try:
        note = {"pid": os.getpid(), "host": socket.gethostname(), **_now()}
        _write(path, json.dumps(note))
        yield
    finally:
        _write(path, "")
        lock.release()


def holder(path: Path) -> str:
    """'process 4711 on build-3 since 2026-11-24T10:00:00+00:00', as far as it is known."""
    try:
        note = json.loads(path.read_text("utf-8"))
        return f"process {int(note['pid'])} on {note['host']} since {note['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold a lock that many may share; waits for an exclusive holder."""
    descriptor = take_shared(path)
    try:
        yield
    finally:
        os.close(descriptor)


def take_shared(path: Path) -> int:
    """The descriptor that holds the shared lock: close it to let go."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def sole(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a `shared` lock alone; yields whether it was got (always, when wait is true)."""
    descriptor = _open(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            got = True
        except BlockingIOError:
            got = False
        yield got
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _write(path: Path, note: str) -> None:
    """Who holds it stands in the lock file itself: a process that dies leaves no other file.

    It is for people and read only while the lock is held; the lock works without it.
    """
    with (
        suppress(OSError),
        path.open("r+", encoding="utf-8") as file,
    ):  # removed meanwhile: stays so
        file.truncate()
        file.write(note)


def _now() -> dict[str, str]:
    return {"since": datetime.now(UTC).isoformat(timespec="seconds")}
