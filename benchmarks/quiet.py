"""One host, one stopwatch: a file lock that whoever times something holds, whatever user it is.

Why flock on a descriptor opened for reading, and not a lock package: the file belongs to whoever
came first, a world-writable sticky folder refuses to open another user's file for writing, and a
truncating open follows a planted symbolic link. The kernel releases the lock when a holder dies.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

_LOG = logging.getLogger(__name__)
_NAME = "distil-timing.lock"
# Which locks this thread of control holds: flock would make a second entry wait for the first.
_HELD: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())


def lock_path() -> Path:
    """The same file for every user: /tmp, and not a TMPDIR that differs between them."""
    shared = Path("/tmp")
    return (shared if shared.is_dir() else Path(tempfile.gettempdir())) / _NAME


@contextmanager
def exclusive_timing(
    on_wait: Callable[[], None] | None = None, *, path: Path | None = None
) -> Iterator[None]:
    """Hold the host's stopwatch; waits for another holder, after one call of on_wait.

    Trainers that call pause_while_timing stop at their next step. Entering it again inside is free.
    """
    where = path or lock_path()
    held = _HELD.get()
    if str(where) in held:
        yield
        return
    descriptor = _open(where)
    if descriptor is None:
        yield
        return
    try:
        if not _try_lock(descriptor, fcntl.LOCK_EX):
            if on_wait is not None:
                on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        token = _HELD.set(held | {str(where)})
        try:
            yield
        finally:
            _HELD.reset(token)
    finally:
        os.close(descriptor)


def pause_while_timing(
    on_wait: Callable[[], None] | None = None, *, path: Path | None = None
) -> float:
    """Return when nobody times anything on this host: microseconds when it is free.

    Returns the seconds waited. Inside exclusive_timing it returns at once.
    """
    where = path or lock_path()
    if str(where) in _HELD.get():
        return 0.0
    descriptor = _open(where, create=False)
    if descriptor is None:  # nobody has ever timed anything here
        return 0.0
    try:
        if _try_lock(descriptor, fcntl.LOCK_SH):
            return 0.0
        if on_wait is not None:
            on_wait()
        begun = time.monotonic()
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return time.monotonic() - begun
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path, *, create: bool = True) -> int | None:
    """A descriptor for flock; None where there is no such file and none can be made."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    for _ in range(3):  # another process may make or remove the file between our two calls
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            if not create:
                return None
        except OSError as exc:
            _LOG.warning("timing without the host's lock: %s: %s", path, exc.strerror)
            return None
        with suppress(FileExistsError):
            try:
                descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                raise
            except OSError as exc:
                _LOG.warning("timing without the host's lock: %s: %s", path, exc.strerror)
                return None
            with suppress(OSError):
                os.fchmod(descriptor, 0o666)  # readable by every user, whatever our umask
            return descriptor
    return None
