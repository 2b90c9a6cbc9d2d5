"""A lock names its holder, and whatever ends the holder leaves the lock file alone."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from compress.store.locks import Busy, exclusive


def _hold_and_vanish(path: Path) -> None:
    with exclusive(path):
        os._exit(130)  # as a second Ctrl-C does


def test_a_holder_that_vanishes_leaves_the_lock_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    child = multiprocessing.get_context("fork").Process(target=_hold_and_vanish, args=(path,))
    child.start()
    child.join()
    assert child.exitcode == 130
    assert [item.name for item in tmp_path.iterdir()] == ["some.lock"]
    with exclusive(path, wait=False):
        said = f"in use by process {os.getpid()} on "
        with pytest.raises(Busy, match=said), exclusive(path, wait=False):
            pass
    assert path.read_text() == ""
    assert [item.name for item in tmp_path.iterdir()] == ["some.lock"]
