from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from compress.pipeline.event_log import LIVE_NAME, EventLog
from compress.pipeline.run_lock import LOCK_NAME, run_folder
from exporters.errors import InputError
from exporters.events import Event


def test_the_folder_is_made_with_its_parents_and_free_again_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "ü n" / "fashion"
    for _ in range(2):
        with run_folder(folder) as path:
            assert path == folder
            assert [item.name for item in folder.iterdir() if item.suffix == ".tmp"] == []


def test_a_second_run_on_one_folder_is_refused_with_the_process(tmp_path: Path, children) -> None:
    def hold() -> None:
        with run_folder(tmp_path / "out"):
            (tmp_path / "held").touch()
            time.sleep(60)

    child = children.start(hold)
    while not (tmp_path / "held").exists():
        time.sleep(0.005)
    with (
        pytest.raises(InputError, match=f"in use by process {child} on "),
        run_folder(tmp_path / "out"),
    ):
        pass
    os.kill(child, signal.SIGKILL)
    children.wait(child)
    with run_folder(tmp_path / "out"):
        pass


def test_a_file_or_a_place_below_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    for folder, says in (("file", "is a file, not a folder"), ("file/below", "can't be made")):
        with pytest.raises(InputError, match=says), run_folder(tmp_path / folder):
            pass
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir(mode=0o555)
    was = os.geteuid()
    if was == 0:
        tmp_path.chmod(0o755)
        os.seteuid(65534)  # root may write anywhere
    try:
        with pytest.raises(InputError, match=r"can't be written|can't be made"), run_folder(folder):
            pass
    finally:
        os.seteuid(was)
    assert list(folder.iterdir()) == []


def test_temporaries_of_dead_processes_are_removed_and_others_stay(tmp_path: Path) -> None:
    dead = tmp_path / ".student.onnx.4194305.0123abcd.tmp"  # above any process number
    dead.write_bytes(b"half")
    mine = tmp_path / "notes.tmp"
    mine.write_bytes(b"mine")
    with run_folder(tmp_path):
        assert not dead.exists()
        assert mine.exists()


def test_an_error_in_the_block_is_passed_on_and_the_folder_is_free(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), run_folder(tmp_path):
        raise ZeroDivisionError
    with run_folder(tmp_path):
        pass


def test_a_refused_run_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "fashion"
    with pytest.raises(InputError, match="refused"), run_folder(folder):
        raise InputError("refused")
    assert list(tmp_path.iterdir()) == []
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("kept")
    with pytest.raises(InputError, match="refused"), run_folder(mine):
        raise InputError("refused")
    assert [item.name for item in mine.iterdir()] == ["notes.txt"]


def test_a_run_that_stopped_on_its_way_keeps_its_log_and_its_lock(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def stop() -> None:
        with run_folder(folder):
            (folder / LIVE_NAME).write_text("{}\n")
            raise InputError("later")

    with pytest.raises(InputError, match="later"):
        stop()
    assert sorted(item.name for item in folder.iterdir()) == [LIVE_NAME, LOCK_NAME]


def test_a_log_that_is_forgotten_keeps_what_an_earlier_run_wrote(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log:
        log(Event("start", "train", "one"))
    earlier = log.path.read_bytes()
    with EventLog(tmp_path) as log:
        log(Event("start", "data", "two"))
        log.forget()
    assert log.path.read_bytes() == earlier
    log.path.unlink()
    with EventLog(tmp_path) as log:
        log(Event("start", "data", "three"))
        log.forget()
    assert list(tmp_path.iterdir()) == []
