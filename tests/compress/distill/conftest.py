"""Trainings here count the calls that ask for a stop, and a training that waits asks more often."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchmarks.quiet


@pytest.fixture(autouse=True)
def own_stopwatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else is timed on this host makes no training in this process wait."""
    monkeypatch.setattr(benchmarks.quiet, "lock_path", lambda: tmp_path.with_suffix(".lock"))
