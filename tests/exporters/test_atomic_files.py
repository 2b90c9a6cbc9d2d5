"""A file is old or new, never a mix; every system call of a write is made to fail once."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporters.atomic import (
    atomic_path,
    remove_stale_temporaries,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_text,
)
from exporters.errors import DistilError, InputError

OLD, NEW = b"old good file", b"new " * 5000


class Faults:
    """Makes the n-th of os.open, write, fsync and replace fail; persistent: all later ones too."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, n: int, code: int, persistent: bool
    ) -> None:
        self.n, self.code, self.persistent = n, code, persistent
        self.calls, self.hit = 0, False
        for name in ("open", "write", "fsync", "replace"):
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self.n or (self.persistent and self.calls > self.n):
                self.hit = True
                raise OSError(self.code, os.strerror(self.code))
            return call(*args, **kwargs)

        return faulty


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_every_failing_call_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, code: int, persistent: bool
) -> None:
    path = tmp_path / "model.onnx"
    outcomes = []
    for n in range(1, 30):
        path.write_bytes(OLD)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, n, code, persistent)
            try:
                write_bytes(path, NEW)
                failed, said, exit_code = False, str(path), 4
            except DistilError as exc:
                failed, said, exit_code = True, str(exc), exc.exit_code
        assert str(path) in said
        assert exit_code == 4
        assert path.read_bytes() in (OLD, NEW)
        assert failed or path.read_bytes() == NEW
        assert os.listdir(tmp_path) == ["model.onnx"], f"call {n} left a temporary"
        outcomes.append(path.read_bytes())
        if not faults.hit:
            break
    assert not faults.hit
    # open, open, write, open, fsync, replace, open, fsync: the old file until replace has run
    assert outcomes == [OLD] * 6 + [NEW] * 3


def test_a_fault_inside_the_block_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(OLD)

    def spoil() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spoil()
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_an_error_about_another_file_is_passed_on_as_it_is(tmp_path: Path) -> None:
    def read_another() -> None:
        with atomic_path(tmp_path / "out"):
            (tmp_path / "absent").read_bytes()

    with pytest.raises(FileNotFoundError):
        read_another()
    assert os.listdir(tmp_path) == []


def test_full_disk_says_what_is_needed_and_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DistilError, match=r"disk full: need 20,000 bytes, have [\d,]+ bytes"):
        write_bytes(tmp_path / "a", NEW)


def test_a_real_size_limit_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(OLD)
    code = """
import resource, sys
from exporters.atomic import write_bytes
from exporters.errors import DistilError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    write_bytes(sys.argv[1], b"x" * 20000)
except DistilError as exc:
    sys.stdout.write(str(exc)); sys.exit(exc.exit_code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 4, done.stderr
    assert "larger than the file size limit" in done.stdout
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["model.onnx"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_folder_that_may_not_be_written_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match="choose a folder that you may write to"):
        write_bytes(tmp_path / "a", b"")


def test_paths_that_can_not_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, words in [
        (tmp_path, "is a folder"),
        (tmp_path / "absent" / "a", "the folder does not exist"),
        (tmp_path / "file" / "a", "a part of the path is not a folder"),
        (tmp_path / ("n" * 256), "the name is too long"),
    ]:
        with pytest.raises(InputError, match=words):
            write_bytes(path, b"")


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "with space", "ünï.onnx", b"\xff.onnx"])
def test_odd_names_are_written(tmp_path: Path, name: str | bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    write_bytes(path, NEW)
    assert path.read_bytes() == NEW
    assert len(os.listdir(tmp_path)) == 1


def test_killed_writers_leave_temporaries_that_the_next_start_removes(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from exporters.atomic import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.onnx")], check=False)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.onnx.")
    keep = tmp_path / ".unrelated.tmp"
    keep.write_bytes(b"")
    with atomic_path(tmp_path / "b.onnx") as temporary:
        assert remove_stale_temporaries(tmp_path) == [left]
        assert temporary.exists()
    assert sorted(os.listdir(tmp_path)) == [".unrelated.tmp", "b.onnx"]


def test_a_locked_temporary_of_an_unknown_process_is_left_alone(tmp_path: Path) -> None:
    """Another container's process number means nothing here; its lock does."""
    import fcntl

    foreign = tmp_path / ".a.onnx.4194304999.0123abcd.tmp"
    with foreign.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert remove_stale_temporaries(tmp_path) == []
    assert remove_stale_temporaries(tmp_path) == [foreign]
    assert remove_stale_temporaries(tmp_path / "absent") == []


def test_json_and_text_are_valid_whatever_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"name": os.fsdecode(b"\xff"), "class": "Größe"})
    assert json.loads(path.read_text(encoding="ascii")) == {"name": "\udcff", "class": "Größe"}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text())["class"] == "Größe"
    write_text(tmp_path / "t", "Größe \udcff")
    assert (tmp_path / "t").read_bytes() == "Größe \\udcff".encode()


def test_digests_are_sha256(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", NEW)
    assert sha256_file(tmp_path / "a") == sha256_bytes(NEW) == hashlib.sha256(NEW).hexdigest()
    with pytest.raises(InputError, match="can't be read"):
        sha256_file(tmp_path / "absent")
