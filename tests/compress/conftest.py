"""Faults on demand: the N-th system call of a block fails, or kills the process."""

from __future__ import annotations

import errno
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest

CALLS = ("open", "write", "sendfile", "fsync", "replace", "unlink", "mkdir", "rmdir", "chmod")


@dataclass
class Faults:
    """hit: whether the N-th call was reached."""

    at: int
    strike: Callable[[str], None]
    persistent: bool
    count: int = 0

    @property
    def hit(self) -> bool:
        return self.count >= self.at

    def pass_or_strike(self, name: str) -> None:
        self.count += 1
        if self.count == self.at or (self.persistent and self.count > self.at):
            self.strike(name)


def _fail(name: str) -> None:
    raise OSError(errno.EIO, f"made to fail: {name}")


def _kill(name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class FaultyCalls:
    """SQLite's method (testing.html, 3.2 and 3.3): N = 1, 2, ... until nothing is hit any more."""

    @contextmanager
    def failing(self, at: int, *, persistent: bool = False) -> Iterator[Faults]:
        """Within the block the at-th call (and with persistent every later one) raises EIO."""
        with self._patched(Faults(at, _fail, persistent)) as faults:
            yield faults

    def killed(self, at: int, action: Callable[[], object]) -> bool:
        """Run action in a child that dies by SIGKILL before its at-th call; whether it did."""

        def run() -> None:
            with self._patched(Faults(at, _kill, persistent=False)):
                action()

        code = in_child(run)
        assert code in {0, -signal.SIGKILL}, code
        return code != 0

    @contextmanager
    def _patched(self, faults: Faults) -> Iterator[Faults]:
        def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                faults.pass_or_strike(name)
                return real(*args, **named)

            return call

        wrapped = {name: wrap(name, getattr(os, name)) for name in CALLS}
        with patch.multiple(os, **wrapped):
            yield faults


def start_child(action: Callable[[], object]) -> int:
    """Fork; the child runs action and leaves with 0, or 1 on any exception. Its process number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside other threads
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        action()
        code = 0
    except BaseException as error:  # the child must not go on as a second pytest
        os.write(2, f"child: {error!r}\n".encode())
    finally:
        os._exit(code)


def wait_for(child: int) -> int:
    """Its exit code, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_child(action: Callable[[], object]) -> int:
    """Run action in a child; its exit code."""
    return wait_for(start_child(action))


class Children:
    """What tests do with processes."""

    start = staticmethod(start_child)
    wait = staticmethod(wait_for)
    run = staticmethod(in_child)


@pytest.fixture
def faulty_calls() -> FaultyCalls:
    return FaultyCalls()


@pytest.fixture
def children() -> Children:
    return Children()
