"""Where optuna keeps a study: a journal on disk, or PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from compress.errors import InputError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage

POSTGRESQL = "postgresql://"
CONNECTING_S = 5
TRIES, PAUSE_S = 3, 0.1  # two that make the same tables at once: one fails, and finds them then
WHERE = "search.study"


@contextmanager
def open_database(place: str) -> Iterator[BaseStorage]:
    """place: a path, or `postgresql://host/base`; made where it is empty. Raises InputError where
    it can't be opened.

    A journal and no SQLite: there two processes could take the same trial.
    """
    if not place.startswith(POSTGRESQL):
        yield _journal(place)
        return
    storage = _connected(place)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _journal(path: str) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if not Path(path).absolute().parent.is_dir():
        cure = "name a file in a folder that is there"
        raise InputError(f"{path} can't be made", where=WHERE, cure=cure)
    return JournalStorage(JournalFileBackend(path))


def _connected(place: str) -> RDBStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    # The driver is named, since that of a plain URL changed with SQLAlchemy 2.1.
    url = place.replace(POSTGRESQL, "postgresql+psycopg://", 1)
    # No pool: a try that fails would leave the connections of its own open.
    settings = {"connect_args": {"connect_timeout": CONNECTING_S}, "poolclass": NullPool}
    for left in reversed(range(TRIES)):
        try:
            return RDBStorage(url, engine_kwargs=settings)
        except ImportError as exc:
            cure = "run `pip install 'distil[postgresql]'`"
            raise InputError(str(exc), where=WHERE, cure=cure) from exc
        except Exception as exc:
            if not left:
                said = str(exc).strip().splitlines()[0]
                cure = f"start the database, or leave `{WHERE}` out: it is a file then"
                raise InputError(f"{place}: {said}", where=WHERE, cure=cure) from exc
            time.sleep(PAUSE_S)
    raise AssertionError("a last try returns or raises")
