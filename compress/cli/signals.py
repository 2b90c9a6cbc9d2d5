"""SIGINT and SIGTERM: the first ends the work in order, the second at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

received: list[int] = []
"""Signal numbers in the order of arrival. Signals belong to the process, so this does too."""


@contextmanager
def stopping_in_order() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into KeyboardInterrupt; the second leaves immediately."""
    received.clear()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            # A parent that ignores a signal (nohup, `&` in a script) means it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    received.append(number)
    if len(received) > 1:
        os._exit(128 + number)
    raise KeyboardInterrupt
