"""What holds for every test: nothing leaks, `serial` is alone, DISTIL_NO_SKIP=1 skips nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

pytest_plugins = ["pytester"]

# A shell starts background jobs with SIGINT ignored, and children inherit that: a suite started so
# could never interrupt the commands that it tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Set by pytest itself, or once per process by a library that is first imported within a test.
_TOLERATED_VARIABLES = ("PYTEST_", "KMP_", "ACCELERATE_", "TORCHINDUCTOR_", "TOKENIZERS_")
# tqdm starts one monitor per process and never ends it; the exporter of torch uses tqdm.
_TOLERATED_THREADS = ("TMonitor",)
_THREAD_GRACE_S = 20.0  # a machine may stall; only a test that fails takes so long


@pytest.fixture(autouse=True)
def no_leaked_environment() -> Iterator[None]:
    """A test that leaves another environment variable or working directory behind fails."""
    before, folder = dict(os.environ), os.getcwd()
    yield
    after = dict(os.environ)
    changed = sorted(
        name
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name) and not name.startswith(_TOLERATED_VARIABLES)
    )
    for name in changed:  # the next test is not to suffer
        os.environ.pop(name, None)
        if name in before:
            os.environ[name] = before[name]
    left = os.getcwd()
    os.chdir(folder)
    assert not changed, f"the test leaves environment variables changed: {', '.join(changed)}"
    assert left == folder, f"the test leaves the working directory at {left}"


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """A test that leaves a Python thread running fails; it has a while to end."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + _THREAD_GRACE_S
    while left := _new_threads(before):
        if time.monotonic() > deadline:
            pytest.fail(f"the test leaves threads: {', '.join(thread.name for thread in left)}")
        left[0].join(0.05)


def _new_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if thread not in before and type(thread).__name__ not in _TOLERATED_THREADS
    ]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `serial` fails where others run beside it (pytest-xdist)."""
    if item.get_closest_marker("serial") is not None and hasattr(item.config, "workerinput"):
        pytest.fail(
            "a test marked `serial` can't run beside others: mark it `slow` too, or move it to "
            "tests/end_to_end or tests/faults"
        )


def _skips_are_failures() -> bool:
    return os.environ.get("DISTIL_NO_SKIP", "") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Under DISTIL_NO_SKIP=1 a skip is a failure, but for tests marked `gpu`."""
    report = yield
    if (
        _skips_are_failures()
        and report.skipped
        and not hasattr(report, "wasxfail")
        and item.get_closest_marker("gpu") is None
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped under DISTIL_NO_SKIP=1: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """The same for a whole module that skips itself."""
    report = yield
    if _skips_are_failures() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped under DISTIL_NO_SKIP=1: {_reason(report.longrepr)}"
    return report


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
