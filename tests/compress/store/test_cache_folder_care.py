from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from compress.store.cache import list_entries, prune, verify_cache
from compress.store.index import Entry, Index
from compress.store.keys import StageKey
from compress.store.store import Store, open_store
from exporters.errors import InputError

DAY = 86400.0


def add(store: Store, number: int, *contents: bytes, age: float = 0.0) -> StageKey:
    key = StageKey("train", {"number": number})
    files = {f"{place}": store.blobs.put_bytes(data) for place, data in enumerate(contents)}
    store.index.put(
        Entry(
            key=key.digest,
            stage="train",
            parts=key.parts,
            files=files,
            created_at="2026-11-24T10:00:00+00:00",
            seconds=1,
        )
    )
    then = time.time() - age
    os.utime(store.index.path("train", key.digest), (then, then))
    return key


def test_results_are_listed_last_used_first_with_their_sizes(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        old = add(store, 1, b"a" * 10, b"b" * 5, age=2 * DAY)
        new = add(store, 2, b"c", b"c")
        store.hold(new)
        rows = list_entries(tmp_path)
        assert [row.entry.key for row in rows] == [new.digest, old.digest]
        assert [row.size_bytes for row in rows] == [1, 15]
        assert [row.in_use for row in rows] == [True, False]


def test_a_folder_without_a_cache_is_named(tmp_path: Path) -> None:
    for act in (list_entries, verify_cache, prune):
        with pytest.raises(InputError, match="no cache is here"):
            act(tmp_path / "absent")


def test_verify_removes_what_is_damaged_and_keeps_the_rest(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        good, bad, cut = (add(store, number, b"%d" % number * 9) for number in range(3))
        found = store.index.get(bad)
        assert found is not None
        path = store.blobs.place(found.files["0"])
    path.chmod(0o644)
    path.write_bytes(b"other")
    os.truncate(store.index.path("train", cut.digest), 30)
    check = verify_cache(tmp_path)
    assert (check.entries, check.blobs, check.size_bytes) == (1, 2, 18)
    assert len(check.removed) == 3
    assert check.removed[0].startswith(f"file {path.name[:12]}: its bytes are not")
    assert any(f"result train/{bad.digest[:12]}: its 0 is missing" in it for it in check.removed)
    assert any("its checksum differs" in line for line in check.removed)
    assert verify_cache(tmp_path).removed == ()
    assert Index(tmp_path).get(good) is not None


def test_prune_by_age_spares_what_is_new_shared_leased_or_in_use(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        old = add(store, 1, b"old", b"shared", age=2 * DAY)
        used = add(store, 2, b"used", age=2 * DAY)
        leased = add(store, 3, b"leased", age=2 * DAY)
        new = add(store, 4, b"new", b"shared")
        store.hold(used)
        with store.index.lease(leased):
            pruned = prune(tmp_path, older_than_seconds=DAY)
        assert (pruned.entries, pruned.in_use) == (1, 2)
        assert store.index.get(old) is None
        assert all(store.index.get(key) is not None for key in (used, leased, new))
        assert store.blobs.has(store.blobs.put_bytes(b"shared"))
        assert not store.blobs.has(
            "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4"  # sha256 of old
        )


def test_a_hit_makes_a_result_new_again(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        key = add(store, 1, b"x", age=2 * DAY)
        assert store.index.get(key) is not None
    assert prune(tmp_path, older_than_seconds=DAY).entries == 0


def test_prune_by_size_takes_the_longest_unused_first_and_counts_shared_bytes_once(
    tmp_path: Path,
) -> None:
    with open_store(tmp_path) as store:
        keys = [add(store, age, b"%d" % age * 100, b"s" * 50, age=age * DAY) for age in range(4)]
    pruned = prune(tmp_path, max_bytes=260)  # 2 * 100 + 50 fit, 3 * 100 + 50 do not
    assert pruned.entries == 2
    assert [Index(tmp_path).get(key) is not None for key in keys] == [True, True, False, False]
    assert pruned.freed_bytes > 200
    assert prune(tmp_path, max_bytes=0).entries == 2
    assert list(Index(tmp_path).blobs.digests()) == []


def test_prune_without_limits_removes_leftovers_alone(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        key = add(store, 1, b"x")
        fresh = store.blobs.put_bytes(b"stored a moment ago, its entry is on its way")
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside" / "damaged").write_bytes(b"x" * 1000)
    dead = tmp_path / "index" / "train" / ".x.json.4194305.0123abcd.tmp"  # above any process
    dead.write_bytes(b"")
    pruned = prune(tmp_path)
    assert (pruned.entries, pruned.freed_bytes) == (0, 1000)
    assert not dead.exists()
    assert store.blobs.has(fresh)
    assert Index(tmp_path).get(key) is not None
    late = prune(tmp_path, clock=lambda: time.time() + 2 * 3600)
    assert late.freed_bytes == 44
    assert not store.blobs.has(fresh)


def test_old_work_folders_go_and_those_in_work_stay(tmp_path: Path) -> None:
    stopped, running = StageKey("train", {"n": 1}), StageKey("train", {"n": 2})
    with open_store(tmp_path) as store:
        for key in (stopped, running):
            folder = store.work(key)
            folder.mkdir(parents=True)
            (folder / "last.ckpt").write_bytes(b"step 7")
            for path in (folder / "last.ckpt", folder):
                os.utime(path, (1e9, 1e9))
        (tmp_path / "work" / "no key").mkdir()
        with store.index.lease(running):
            prune(tmp_path, older_than_seconds=DAY)
        assert not store.work(stopped).exists()
        assert (store.work(running) / "last.ckpt").read_bytes() == b"step 7"
        assert (tmp_path / "work" / "no key").exists()


def test_a_cache_folder_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="can't be made"):
        open_store(tmp_path / "file" / "cache")
