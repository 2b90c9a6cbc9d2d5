"""SIGTERM as an exception, so that a stopped run leaves as Ctrl-C does: clean and resumable."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from exporters.errors import Interrupted


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A KeyboardInterrupt, so that no `except Exception` swallows it."""


@contextmanager
def interruptible(what: str) -> Iterator[None]:
    """Turn SIGINT and SIGTERM within the block into Interrupted; what names the work.

    A second signal while the first unwinds stops at once. Outside the main thread only Ctrl-C that
    arrives as KeyboardInterrupt is turned.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _terminate) if main else None
    try:
        yield
    except Terminated as exc:
        raise stopped(what, signal.SIGTERM) from exc
    except KeyboardInterrupt as exc:
        raise stopped(what, signal.SIGINT) from exc
    finally:
        if main:
            signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def stopped(what: str, number: signal.Signals) -> Interrupted:
    """The error that says how to go on."""
    return Interrupted(
        f"stopped by {number.name} in {what}",
        signal_number=int(number),
        cure="run the same command again to resume",
    )


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated(f"signal {number}")
