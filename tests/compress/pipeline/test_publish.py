from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from compress.pipeline.manifest import (
    BadManifest,
    Facts,
    Preprocessing,
    dump_manifest,
    load_manifest,
    safe_name,
)
from compress.pipeline.publish import finish_publication, publish
from compress.pipeline.run_lock import run_folder
from compress.pipeline.verify import verify_run
from exporters.atomic import sha256_bytes
from exporters.errors import DistilError, InputError

FACTS = Facts(
    name="fashion",
    created_at="2026-11-24T10:00:00+00:00",
    recipe_digest="a" * 64,
    teacher_digest="b" * 64,
    data_digest="c" * 64,
    versions={"torch": "2.13.0+cpu", "distil": "0.1.0"},
    seeds={"recipe": 0},
    classes=("T-shirt/top", "Sac à main"),
    preprocessing=Preprocessing(input_name="images", shape=(1, 28, 28), scale=1 / 255),
    machine={"cpu_model": "x", "cpu_flags": "avx2 avx512_vnni"},
)
OLD = {"student.onnx": b"old model" * 20, "only_old.txt": b"old"}
NEW = {"student.onnx": b"new model" * 30, "predictions/test.npz": b"new"}


def problems(folder: Path) -> list[tuple[str, str]]:
    return [(problem.kind, problem.name) for problem in verify_run(folder)]


def earlier_run(root: Path) -> Path:
    folder = root / "old"
    folder.mkdir()
    publish(OLD, folder, facts=FACTS)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.name != "manifest.json"
    }


def test_a_published_run_verifies_and_its_manifest_reads_back(tmp_path: Path) -> None:
    source = tmp_path / "cache"
    source.write_bytes(b"model")
    folder = tmp_path / "run"
    with run_folder(folder):
        manifest = publish({"student.onnx": source, "report.json": b"{}"}, folder, facts=FACTS)
    assert verify_run(folder) == ()
    assert load_manifest(folder) == manifest
    assert manifest.facts == FACTS
    assert manifest.files["student.onnx"].sha256 == sha256_bytes(b"model")
    assert manifest.files["student.onnx"].size_bytes == 5
    assert source.read_bytes() == b"model"
    assert sorted(path.name for path in folder.iterdir() if path.name != ".distil.lock") == [
        "manifest.json",
        "report.json",
        "student.onnx",
    ]


def test_the_next_run_replaces_its_files_and_removes_the_others_of_the_last(
    tmp_path: Path,
) -> None:
    publish(OLD, tmp_path, facts=FACTS)
    (tmp_path / "notes.txt").write_bytes(b"the user's")
    publish(NEW, tmp_path, facts=FACTS)
    assert contents(tmp_path) == {**NEW, "notes.txt": b"the user's"}
    assert problems(tmp_path) == [("unlisted", "notes.txt")]


def test_a_file_of_the_last_run_that_its_owner_changed_is_left(tmp_path: Path) -> None:
    publish(OLD, tmp_path, facts=FACTS)
    (tmp_path / "only_old.txt").write_bytes(b"edited")
    publish(NEW, tmp_path, facts=FACTS)
    assert contents(tmp_path)["only_old.txt"] == b"edited"


@pytest.mark.parametrize("persistent", [False, True])
def test_whatever_call_fails_the_run_is_the_old_or_the_new_one(
    tmp_path: Path, faulty_calls, persistent: bool
) -> None:
    old = earlier_run(tmp_path)
    at, hit = 0, True
    while hit:
        at += 1
        folder = shutil.copytree(old, tmp_path / f"{at}")
        with faulty_calls.failing(at, persistent=persistent) as faults:
            try:
                publish(NEW, folder, facts=FACTS)
            except (OSError, DistilError):
                assert faults.hit
        hit = faults.hit
        between = problems(folder)
        assert between == [] or ("interrupted", ".") in between
        with run_folder(folder):
            pass
        assert problems(folder) == []
        assert contents(folder) in (OLD, NEW)
        if not hit:
            assert contents(folder) == NEW
    assert at > 20


def test_killed_before_any_call_the_run_is_the_old_or_the_new_one(
    tmp_path: Path, faulty_calls
) -> None:
    def publish_new() -> None:
        publish(NEW, folder, facts=FACTS)

    old = earlier_run(tmp_path)
    seen: set[bool] = set()
    at, killed = 0, True
    while killed:
        at += 1
        folder = shutil.copytree(old, tmp_path / f"{at}")
        killed = faulty_calls.killed(at, publish_new)
        between = problems(folder)
        assert between == [] or ("interrupted", ".") in between
        with run_folder(folder):
            pass
        assert problems(folder) == []
        assert contents(folder) in (OLD, NEW)
        seen.add(contents(folder) == NEW)
    assert seen == {False, True}


def test_a_source_that_is_missing_leaves_the_earlier_run(tmp_path: Path) -> None:
    publish(OLD, tmp_path, facts=FACTS)
    with pytest.raises(InputError, match="absent"):
        publish({"a": b"", "student.onnx": tmp_path / "absent"}, tmp_path, facts=FACTS)
    assert contents(tmp_path) == OLD
    assert problems(tmp_path) == []


def test_a_damaged_staging_is_named_with_its_cure(tmp_path: Path) -> None:
    journal = {"files": {"a": "0" * 64}, "obsolete": {}, "manifest": "0" * 64}
    (tmp_path / ".distil.publish.json").write_text(json.dumps(journal))
    with pytest.raises(DistilError, match=r"the staged a is gone; remove \.distil\.publish\.json"):
        finish_publication(tmp_path)
    (tmp_path / ".distil.publish.json").write_text('{"files": {"../a": ""}}')
    with pytest.raises(DistilError, match="its journal is damaged"):
        finish_publication(tmp_path)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", "a//b", "", ".", "C:/x", "a\\b", "a\nb"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    assert not safe_name(name)
    with pytest.raises(ValueError, match="not a name"):
        publish({name: b""}, tmp_path, facts=FACTS)


def test_a_missing_changed_and_unlisted_file_are_found(tmp_path: Path) -> None:
    publish({**NEW, "report.json": b"{}"}, tmp_path, facts=FACTS)
    (tmp_path / "report.json").unlink()
    (tmp_path / "student.onnx").write_bytes(NEW["student.onnx"][:-1] + b"!")
    (tmp_path / "predictions" / "test.npz").write_bytes(b"longer")
    (tmp_path / "predictions" / "extra").write_bytes(b"")
    assert problems(tmp_path) == [
        ("changed", "predictions/test.npz"),
        ("missing", "report.json"),
        ("changed", "student.onnx"),
        ("unlisted", "predictions/extra"),
    ]


def test_a_link_in_place_of_a_file_is_a_change(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    publish(NEW, folder, facts=FACTS)
    (folder / "student.onnx").rename(tmp_path / "moved")
    (folder / "student.onnx").symlink_to(tmp_path / "moved")
    (folder / "linked").symlink_to(tmp_path)
    assert problems(folder) == [("changed", "student.onnx"), ("unlisted", "linked")]


def test_a_flipped_bit_in_any_byte_and_a_cut_of_the_manifest_are_found(tmp_path: Path) -> None:
    publish({"a": b"a"}, tmp_path, facts=FACTS)
    path = tmp_path / "manifest.json"
    whole = path.read_bytes()
    assert path.read_bytes() == dump_manifest(load_manifest(tmp_path))
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        # White space is no content: such a flip changes nothing that is read.
        if not whole[place : place + 1].isspace():
            assert problems(tmp_path)[0] == ("changed", "manifest.json")
    for length in range(0, len(whole) - 1, 5):
        path.write_bytes(whole[:length])
        assert problems(tmp_path) == [("changed", "manifest.json")]


def test_a_folder_without_a_manifest_is_no_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"no manifest\.json is here|is no folder"):
            verify_run(folder)


def test_a_manifest_that_lists_what_it_may_not_is_refused(tmp_path: Path) -> None:
    publish({"a": b"a"}, tmp_path, facts=FACTS)
    manifest = load_manifest(tmp_path)
    forged = replace(manifest, files={"../outside": manifest.files["a"]})
    (tmp_path / "manifest.json").write_bytes(dump_manifest(forged))
    with pytest.raises(BadManifest, match="no place below the folder"):
        load_manifest(tmp_path)


def test_a_manifest_of_a_newer_schema_asks_for_its_version(tmp_path: Path) -> None:
    from compress.store.keys import canonical

    publish({"a": b"a"}, tmp_path, facts=FACTS)
    path = tmp_path / "manifest.json"
    value = json.loads(path.read_text())
    del value["manifest_sha256"]
    value["schema"] = 2
    value["manifest_sha256"] = sha256_bytes(canonical(value))
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match="has schema 2, this version reads 1"):
        verify_run(tmp_path)


def test_the_live_log_and_the_cache_of_predict_are_no_problem(tmp_path: Path) -> None:
    publish({"a": b"a"}, tmp_path, facts=FACTS)
    (tmp_path / ".distil.events.jsonl").write_bytes(b"")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "predict.cpython-311.pyc").write_bytes(b"")
    os.mkdir(tmp_path / ".distil.staged")
    assert problems(tmp_path) == []


def test_verifying_and_caring_for_the_cache_load_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, compress.pipeline.verify, compress.store.cache, compress.pipeline.run_lock;"
        "print(sorted({'torch', 'numpy', 'onnx', 'onnxruntime', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
