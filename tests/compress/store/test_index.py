from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from compress.store import locks
from compress.store.index import Entry, Index
from compress.store.keys import StageKey, explain_miss
from exporters.atomic import sha256_bytes
from exporters.errors import DistilError

KEY = StageKey("train", {"epochs": 10})


def stored(root: Path, *, content: bytes = b"weights", key: StageKey = KEY) -> Entry:
    index = Index(root)
    entry = Entry(
        key=key.digest,
        stage=key.stage,
        parts=key.parts,
        files={"weights": index.blobs.put_bytes(content)},
        meta={"note": "é"},
        created_at="2026-11-24T10:00:00+00:00",
        seconds=1.5,
    )
    index.put(entry)
    return entry


def test_an_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    entry = stored(tmp_path)
    assert Index(tmp_path).get(KEY) == entry
    assert Index(tmp_path).get(KEY.digest) == entry
    assert list(Index(tmp_path).entries()) == [entry]
    assert list(Index(tmp_path).entries(stage="export")) == []
    assert Index(tmp_path).get(StageKey("train", {"epochs": 12})) is None


def test_an_entry_cut_to_any_length_is_a_miss_that_says_so(tmp_path: Path) -> None:
    stored(tmp_path)
    path = Index(tmp_path).path("train", KEY.digest)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        why = explain_miss(KEY, Index(tmp_path))
        assert why.startswith("the stored entry was damaged")
        assert not path.exists()
    path.write_bytes(whole)
    assert Index(tmp_path).get(KEY) is not None


def test_a_flipped_bit_in_any_byte_of_an_entry_is_a_miss(tmp_path: Path) -> None:
    stored(tmp_path)
    path = Index(tmp_path).path("train", KEY.digest)
    whole = path.read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        assert Index(tmp_path).get(KEY) is None
    path.write_bytes(whole)
    assert Index(tmp_path).get(KEY) is not None


def test_an_entry_whose_file_is_damaged_is_a_miss_that_says_so(tmp_path: Path) -> None:
    entry = stored(tmp_path)
    index = Index(tmp_path)
    path = index.blobs.place(entry.files["weights"])
    path.chmod(0o644)
    path.write_bytes(b"wEights")
    assert "was damaged and is moved" in explain_miss(KEY, index)
    assert index.get(KEY) is None
    stored(tmp_path)
    assert index.get(KEY) == entry


def test_an_entry_whose_file_is_gone_is_a_miss(tmp_path: Path) -> None:
    entry = stored(tmp_path)
    Index(tmp_path).blobs.place(entry.files["weights"]).unlink()
    assert Index(tmp_path).get(KEY) is None


def test_an_entry_copied_to_another_key_or_stage_is_not_believed(tmp_path: Path) -> None:
    stored(tmp_path)
    index = Index(tmp_path)
    data = index.path("train", KEY.digest).read_bytes()
    other = StageKey("train", {"epochs": 12})
    index.path("train", other.digest).write_bytes(data)
    elsewhere = index.path("export", KEY.digest)
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(data)
    assert index.get(other) is None
    assert len(list(index.entries())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"weights": "../../../etc/passwd"}},
        {"files": {"weights": 7}},
        {"files": []},
        {"parts": {"epochs": 12}},
        {"seconds": "long"},
        {"stage": None},
    ],
)
def test_a_forged_entry_with_a_right_checksum_is_a_miss(
    tmp_path: Path, change: dict[str, object]
) -> None:
    stored(tmp_path)
    path = Index(tmp_path).path("train", KEY.digest)
    value = json.loads(path.read_bytes().partition(b"\n")[0])
    body = json.dumps({**value, **change}).encode()
    path.write_bytes(body + b"\nsha256 " + sha256_bytes(body).encode() + b"\n")
    assert Index(tmp_path).get(KEY) is None


def test_deeply_nested_json_is_a_miss_and_no_crash(tmp_path: Path) -> None:
    stored(tmp_path)
    path = Index(tmp_path).path("train", KEY.digest)
    body = b"[" * 100_000
    path.write_bytes(body + b"\nsha256 " + sha256_bytes(body).encode() + b"\n")
    assert Index(tmp_path).get(KEY) is None


def test_an_entry_under_a_key_that_is_not_its_own_is_not_stored(tmp_path: Path) -> None:
    wrong = Entry(
        key="0" * 64, stage="train", parts={}, files={}, created_at="2026-11-24", seconds=0
    )
    with pytest.raises(ValueError, match="not the digest of its parts"):
        Index(tmp_path).put(wrong)


def test_an_entry_whose_files_were_not_stored_is_refused(tmp_path: Path) -> None:
    entry = Entry(
        key=KEY.digest,
        stage=KEY.stage,
        parts=KEY.parts,
        files={"weights": "0" * 64},
        created_at="2026-11-24",
        seconds=0,
    )
    with pytest.raises(DistilError, match="the stored file 000000000000 is gone"):
        Index(tmp_path).put(entry)
    assert Index(tmp_path).get(KEY) is None


@pytest.mark.parametrize("persistent", [False, True])
def test_whatever_call_fails_the_old_entry_or_the_new_one_is_there(
    tmp_path: Path, faulty_calls, persistent: bool
) -> None:
    at, hit = 0, True
    while hit:
        at += 1
        root = tmp_path / f"{at}"
        old = stored(root, content=b"old")
        new = None
        with faulty_calls.failing(at, persistent=persistent) as faults:
            try:
                new = stored(root, content=b"new")
            except (OSError, DistilError):
                assert faults.hit
        hit = faults.hit
        found = Index(root).get(KEY)
        assert found is not None
        assert found == old or found.files["weights"] == sha256_bytes(b"new")
        assert new is None or found == new
    assert at > 5


def test_the_waiter_is_told_who_holds_the_lease_and_gets_it_after_kill(
    tmp_path: Path, children
) -> None:
    def hold() -> None:
        with Index(tmp_path).lease(KEY):
            (tmp_path / "held").touch()
            time.sleep(60)

    child = children.start(hold)
    while not (tmp_path / "held").exists():
        time.sleep(0.005)
    with (
        pytest.raises(locks.Busy, match=f"in use by process {child} on "),
        Index(tmp_path).lease(KEY, wait=False),
    ):
        pass
    told: list[str] = []

    def on_wait(message: str) -> None:
        told.append(message)
        os.kill(child, signal.SIGKILL)

    with Index(tmp_path).lease(KEY, on_wait):
        pass
    assert children.wait(child) == -signal.SIGKILL
    assert len(told) == 1
    assert told[0].startswith(f"waiting for process {child} on {os.uname().nodename} since ")


def test_leases_of_different_keys_do_not_wait_for_each_other(tmp_path: Path) -> None:
    index, waited = Index(tmp_path), list[str]()
    with index.lease(KEY), index.lease(StageKey("train", {}), waited.append):
        assert waited == []
