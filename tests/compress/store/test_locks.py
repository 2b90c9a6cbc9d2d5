"""A lock names its holder, and whatever ends the holder leaves the lock file alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compress.store.locks import Busy, exclusive


def test_a_holder_that_vanishes_leaves_the_lock_file_alone(tmp_path: Path, children) -> None:
    path = tmp_path / "some.lock"

    def hold_and_vanish() -> None:
        with exclusive(path):
            os._exit(130)  # as a second Ctrl-C does

    children.wait(children.start(hold_and_vanish))
    assert [item.name for item in tmp_path.iterdir()] == ["some.lock"]
    with exclusive(path, wait=False):
        said = f"in use by process {os.getpid()} on "
        with pytest.raises(Busy, match=said), exclusive(path, wait=False):
            pass
    assert path.read_text() == ""
    assert [item.name for item in tmp_path.iterdir()] == ["some.lock"]
