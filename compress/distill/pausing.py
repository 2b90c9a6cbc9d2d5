"""Waiting while something is timed on this host, without going deaf to a stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.quiet import pause_while_timing

POLL_S = 0.05


class _TimingNow(Exception):
    """Somebody holds the host's stopwatch."""


def pause(stop_requested: Callable[[], bool]) -> None:
    """Return when nobody times anything, or when a stop is asked for.

    A lock that blocks would sit through SIGTERM: Python goes on waiting after the handler.
    """
    while True:
        try:
            pause_while_timing(_raise)
        except _TimingNow:
            if stop_requested():
                return
            time.sleep(POLL_S)
        else:
            return


def _raise() -> None:
    raise _TimingNow
