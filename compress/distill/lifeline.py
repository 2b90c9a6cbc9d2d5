"""How a child ends: with its parent, also one killed by SIGKILL, and without a fault of its own."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def end_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGTERM at the parent's death (Linux; elsewhere nothing happens).

    Raises SystemExit(143) when the parent is gone already.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:
        raise SystemExit(128 + signal.SIGTERM)


def leave(code: int) -> NoReturn:
    """Leave the process. One of several does so at once: all is written and the group is left, and
    torch 2.13 now and then aborts in what it tears down after that, which made a finished training
    a failed one ("terminate called without an active exception")."""
    if "RANK" not in os.environ:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
