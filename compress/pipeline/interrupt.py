"""SIGTERM as an exception, so that a stopped run leaves as Ctrl-C does: clean and resumable."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from exporters.errors import Interrupted

RESUME = "run the same command again to resume"


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A KeyboardInterrupt, so that no `except Exception` swallows it."""


@contextmanager
def interruptible(what: str, *, cure: str = RESUME) -> Iterator[None]:
    """Turn SIGINT and SIGTERM within the block into Interrupted; what names the work.

    A handler of the caller's for SIGTERM is kept: it need only raise KeyboardInterrupt. Outside the
    main thread, which alone may set handlers, Ctrl-C is all that is turned.
    """
    main = threading.current_thread() is threading.main_thread()
    ours = main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except Terminated as exc:
        raise _stopped(what, cure, signal.SIGTERM) from exc
    except KeyboardInterrupt as exc:
        raise _stopped(what, cure, signal.SIGINT) from exc
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _stopped(what: str, cure: str, number: signal.Signals) -> Interrupted:
    return Interrupted(f"stopped in {what}", signal_number=int(number), cure=cure)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated(f"signal {number}")
