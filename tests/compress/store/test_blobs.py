from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from compress.store.blobs import BlobMissing, Blobs
from exporters.atomic import sha256_bytes
from exporters.errors import DistilError, InputError


def files_below(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_a_copied_file_is_found_by_its_digest_and_the_source_stays(tmp_path: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(b"w" * 1000)
    blobs = Blobs(tmp_path / "cache")
    digest = blobs.put_file(source)
    assert digest == sha256_bytes(b"w" * 1000)
    assert blobs.path(digest).read_bytes() == b"w" * 1000
    assert blobs.path(digest) == tmp_path / "cache" / "blobs" / digest[:2] / digest
    assert source.read_bytes() == b"w" * 1000
    source.write_bytes(b"changed")
    assert blobs.has(digest)


def test_a_moved_file_keeps_its_inode_and_leaves_its_place(tmp_path: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(b"w")
    inode = source.stat().st_ino
    blobs = Blobs(tmp_path / "cache")
    assert blobs.path(blobs.put_file(source, move=True)).stat().st_ino == inode
    assert not source.exists()


@pytest.mark.parametrize("link", ["hard", "symbolic"])
def test_moving_a_file_with_a_second_name_copies_it(tmp_path: Path, link: str) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"shared")
    source = tmp_path / "source"
    source.hardlink_to(other) if link == "hard" else source.symlink_to(other)
    blobs = Blobs(tmp_path / "cache")
    digest = blobs.put_file(source, move=True)
    other.write_bytes(b"rewritten through the other name")
    assert blobs.path(digest).read_bytes() == b"shared"
    assert not source.exists()


def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    assert blobs.put_bytes(b"x") == blobs.put_bytes(b"x")
    assert len(files_below(tmp_path)) == 1
    assert list(blobs.digests()) == [sha256_bytes(b"x")]


def test_any_flipped_bit_is_found_moved_aside_and_can_be_stored_again(tmp_path: Path) -> None:
    data = b"four"
    for bit in range(8 * len(data)):
        blobs = Blobs(tmp_path)
        digest = blobs.put_bytes(data)
        path = blobs.path(digest)
        path.chmod(0o644)
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(BlobMissing, match="was damaged and is moved"):
            blobs.path(digest)
        assert not blobs.has(digest)
        assert not path.exists()
    assert len(files_below(tmp_path / "aside")) == 8 * len(data)


def test_a_file_cut_to_any_length_is_not_used(tmp_path: Path) -> None:
    data = bytes(range(20))
    for length in range(len(data)):
        digest = Blobs(tmp_path).put_bytes(data)
        path = Blobs(tmp_path).place(digest)
        path.chmod(0o644)
        os.truncate(path, length)
        assert not Blobs(tmp_path).has(digest)


def test_storing_over_a_damaged_file_repairs_it(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put_bytes(b"good")
    blobs.path(digest).chmod(0o644)
    blobs.place(digest).write_bytes(b"evil")
    assert blobs.put_bytes(b"good") == digest
    assert blobs.path(digest).read_bytes() == b"good"


def test_a_name_that_is_no_digest_never_becomes_a_path(tmp_path: Path) -> None:
    for name in ("../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", ""):
        with pytest.raises(ValueError, match="not a SHA-256 digest"):
            Blobs(tmp_path).path(name)


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        Blobs(tmp_path).put_file(tmp_path / "absent")


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("move", [False, True])
def test_whatever_call_fails_the_store_holds_the_whole_file_or_none(
    tmp_path: Path, faulty_calls, move: bool, persistent: bool
) -> None:
    data = b"weights" * 50
    digest = sha256_bytes(data)
    at, hit = 0, True
    while hit:
        at += 1
        root = tmp_path / f"{at}"
        root.mkdir()
        source = root / "source"
        source.write_bytes(data)
        with faulty_calls.failing(at, persistent=persistent) as faults:
            try:
                Blobs(root / "cache").put_file(source, move=move)
            except (OSError, DistilError):
                assert faults.hit
        hit = faults.hit
        found = files_below(root / "cache")
        assert [path.name for path in found if not path.name.startswith(".")] in ([], [digest])
        assert source.exists() or Blobs(root / "cache").has(digest)
        if source.exists():
            Blobs(root / "cache").put_file(source, move=move)
        assert Blobs(root / "cache").path(digest).read_bytes() == data
    assert at > 4


@pytest.mark.parametrize("move", [False, True])
def test_killed_before_any_call_the_store_holds_the_whole_file_or_none(
    tmp_path: Path, faulty_calls, move: bool
) -> None:
    data = b"weights" * 50
    digest = sha256_bytes(data)
    at, killed = 0, True
    while killed:
        at += 1
        root = tmp_path / f"{at}"
        root.mkdir()
        source = root / "source"
        source.write_bytes(data)
        killed = faulty_calls.killed(at, partial(Blobs(root / "cache").put_file, source, move=move))
        names = [path.name for path in files_below(root / "cache")]
        assert [name for name in names if not name.startswith(".")] in ([], [digest])
        assert source.exists() or Blobs(root / "cache").has(digest)
    assert at > 4
