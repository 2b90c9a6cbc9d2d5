"""The output folder of a run: made, writable and ours alone before anything starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from compress.pipeline.publish import finish_publication
from compress.store import locks
from exporters.atomic import remove_stale_temporaries, write_bytes
from exporters.errors import InputError

LOCK_NAME = ".distil.lock"
PROBE_NAME = ".distil.writable"


@contextmanager
def run_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Make the folder, see that it can be written, and hold it for the length of the block.

    A publication that a kill cut short is completed, temporaries of dead processes are removed. A
    block that fails before it has written anything leaves nothing: no lock file and no folder that
    was not there. Raises InputError (exit 2): not a folder, not writable, or in use, naming the
    process.
    """
    path = Path(folder)
    absent = [place for place in (path, *path.parents) if not os.path.exists(place)]
    locked_before = os.path.exists(path / LOCK_NAME)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as exc:
        raise _refused(path, "is a file, not a folder") from exc
    except OSError as exc:
        raise _refused(path, f"can't be made: {exc.strerror or exc}") from exc
    try:
        write_bytes(path / PROBE_NAME, b"")
        (path / PROBE_NAME).unlink(missing_ok=True)
    except InputError as exc:
        raise _refused(path, exc.what) from exc
    with _held(path):
        remove_stale_temporaries(path)
        finish_publication(path)
        try:
            yield path
        except BaseException:
            if not locked_before and not _work_left(path):
                (path / LOCK_NAME).unlink(missing_ok=True)  # while it is held: nobody else has it
                with suppress(OSError):
                    for place in absent:
                        place.rmdir()
            raise


def _work_left(path: Path) -> bool:
    """Whether the folder holds what a next run goes on from: its log, which is hidden."""
    return any(item.name != LOCK_NAME for item in path.glob(".distil.*"))


@contextmanager
def _held(path: Path) -> Iterator[None]:
    lock = locks.exclusive(path / LOCK_NAME, wait=False)
    try:
        lock.__enter__()
    except locks.Busy as exc:
        cure = "wait until it ends or name another folder with --out"
        raise InputError(exc.what, where=str(path), cure=cure) from exc
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _refused(path: Path, what: str) -> InputError:
    return InputError(what, where=str(path), cure="name another folder with --out")
