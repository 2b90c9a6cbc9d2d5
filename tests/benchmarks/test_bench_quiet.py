"""The host's stopwatch: one holder, released by the kernel, usable by every user."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.quiet import exclusive_timing, lock_path, pause_while_timing

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import os, sys
from pathlib import Path
from benchmarks.quiet import exclusive_timing
if len(sys.argv) > 2 and os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
with exclusive_timing(path=Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(path: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLD, str(path), *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        if process.poll() is None:
            process.kill()


def release(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_second_measurement_waits_for_the_first(tmp_path: Path) -> None:
    lock, waited = tmp_path / "lock", []
    with holder(lock) as process:

        def on_wait() -> None:
            waited.append(process.poll())
            release(process)

        with exclusive_timing(on_wait, path=lock):
            assert process.wait(timeout=60) == 0
    assert waited == [None]  # once, and while the other one held it


def test_a_trainer_waits_while_something_is_timed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert pause_while_timing(path=lock) == 0.0
    assert not lock.exists()
    with holder(lock) as process:
        assert pause_while_timing(lambda: release(process), path=lock) > 0
    assert pause_while_timing(path=lock) == 0.0


def test_the_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holder(lock) as process, exclusive_timing(process.kill, path=lock):
        assert process.wait(timeout=60) == -9


def test_another_user_can_take_the_lock_of_the_first() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)  # as /tmp: others may not open for writing what is not theirs
        lock = Path(folder) / "lock"
        before = os.umask(0o077)
        try:
            with exclusive_timing(path=lock):
                pass
        finally:
            os.umask(before)
        assert stat.S_IMODE(lock.stat().st_mode) == 0o666
        with holder(lock, "--as-nobody") as process:
            assert pause_while_timing(lambda: release(process), path=lock) > 0


def test_a_lock_file_that_may_only_be_read_is_enough(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    lock.chmod(0o444)
    with holder(lock) as process:
        assert pause_while_timing(lambda: release(process), path=lock) > 0


def test_entering_twice_does_not_wait_for_itself(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with exclusive_timing(path=lock), exclusive_timing(path=lock):
        assert pause_while_timing(path=lock) == 0.0


def test_a_planted_link_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with exclusive_timing(path=tmp_path / "lock"):
        assert not (tmp_path / "victim").exists()
    assert "timing without the host's lock" in caplog.text


def test_all_users_share_one_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert lock_path().parent == Path("/tmp")
