"""image-folder: which files it takes, how it splits them, and what it keeps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from compress.errors import InputError
from compress.recipe.nodes import ImageFolderTask
from compress.tasks import Task, build_task
from compress.tasks.images import image_folder

CLASSES = ("ant", "bee", "cat")


def _save(
    root: Path, count: int = 10, *, classes: tuple[str, ...] = CLASSES, seed: int = 0
) -> Path:
    random = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = random.integers(0, 256, (*random.integers(8, 20, 2), 3), dtype=np.uint8)
            suffix = ("png", "jpg", "JPEG")[index % 3]
            Image.fromarray(pixels).save(root / name / f"{seed}{index:02}.{suffix}")
    return root


def _build(root: Path, *, seed: int = 0, **node: Any) -> Task:
    task = ImageFolderTask(kind="image-folder", data=root.name, **({"size": 8} | node))
    return build_task(task, folder=root.parent, seed=seed, cache=root.parent / "cache")


def test_a_flat_set_gives_a_fifth_to_test_and_a_tenth_of_the_rest_to_validation(
    tmp_path: Path,
) -> None:
    task = _build(_save(tmp_path / "d", 20))
    assert (len(task.train), len(task.validation), len(task.test())) == (43, 5, 12)
    task = _build(tmp_path / "d", test=20, validation=7)
    assert (len(task.train), len(task.validation), len(task.test())) == (33, 7, 20)


def test_copies_of_a_file_stay_in_one_split(tmp_path: Path) -> None:
    root = _save(tmp_path / "d", 12)
    for path in sorted(root.rglob("*.*")):
        path.with_name(f"copy-{path.name}").write_bytes(path.read_bytes())
    task = _build(root)
    splits = [
        {row.tobytes() for row in s.inputs} for s in (task.train, task.validation, task.test())
    ]
    assert not splits[0] & splits[1]
    assert not splits[0] & splits[2]
    assert not splits[1] & splits[2]
    assert [len(task.train) % 2, len(task.validation) % 2, len(task.test()) % 2] == [0, 0, 0]


def test_folders_of_train_validation_and_test_are_kept(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("val", 2), ("test", 3)):
        _save(tmp_path / "d" / split, count, seed=count)
    task = _build(tmp_path / "d")
    assert (len(task.train), len(task.validation), len(task.test())) == (18, 6, 9)
    for node, reason in (({"test": 3}, "test/ is there"), ({"validation": 3}, "validation/ is")):
        with pytest.raises(InputError, match=reason):
            _build(tmp_path / "d", **node)


def test_train_alone_is_split(tmp_path: Path) -> None:
    _save(tmp_path / "d" / "train", 10)
    task = _build(tmp_path / "d")
    assert (len(task.train), len(task.validation), len(task.test())) == (22, 2, 6)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour(channels: int, tmp_path: Path) -> None:
    task = _build(_save(tmp_path / "d"), channels=channels, size=9)
    assert task.train.inputs.shape[1:] == (channels, 9, 9)


def test_hidden_files_and_litter_are_left_out(tmp_path: Path) -> None:
    root = _save(tmp_path / "d")
    before = _build(root)
    (root / ".git").mkdir()
    (root / ".git" / "a.png").write_bytes(b"x")
    (root / "__MACOSX").mkdir()
    (root / "ant" / ".hidden.png").write_bytes(b"x")
    (root / "ant" / ".DS_Store").write_bytes(b"x")
    (root / "ant" / "Thumbs.db").write_bytes(b"x")
    assert _build(root).fingerprint == before.fingerprint
    assert not any("left out" in note for note in before.notes)
    (root / "README.txt").write_text("about")
    (root / "ant" / "notes.txt").write_text("about")
    assert "2 files that are no images were left out" in _build(root).notes


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    root = _save(tmp_path / "d")
    before = _build(root)
    (root / "ant").rename(tmp_path / "elsewhere")
    (root / "ant").symlink_to(tmp_path / "elsewhere")
    (root / "bee" / "again").symlink_to(root / "bee")
    (root / "bee" / "all").symlink_to(root)
    assert _build(root).fingerprint == before.fingerprint
    (root / "loop").symlink_to(root)
    with pytest.raises(InputError, match="class folder loop holds no PNG or JPEG"):
        _build(root)


def test_folders_within_a_class_belong_to_it(tmp_path: Path) -> None:
    root = _save(tmp_path / "d")
    (root / "ant" / "indoors").mkdir()
    (root / "ant" / "000.png").rename(root / "ant" / "indoors" / "000.png")
    task = _build(root)
    labels = np.concatenate([task.train.labels, task.validation.labels, task.test().labels])
    assert np.bincount(labels).tolist() == [10, 10, 10]


def _spoil(root: Path, what: str) -> None:
    ant = root / "ant"
    match what:
        case "empty class":
            (root / "dog").mkdir()
        case "hidden only":
            (root / "dog").mkdir()
            (root / "dog" / ".a.png").write_bytes(b"x")
        case "broken link":
            (ant / "a.png").symlink_to(root / "absent")
        case "link to itself":
            (ant / "a.png").symlink_to("a.png")
        case "pipe":
            os.mkfifo(ant / "a.png")
        case "webp":
            (ant / "a.webp").write_bytes(b"x")
        case "stray image":
            (root / "a.png").write_bytes(b"x")
        case "empty file":
            (ant / "a.png").write_bytes(b"")
        case "page":
            (ant / "a.jpg").write_bytes(b"<!DOCTYPE html><html>")
        case "truncated":
            (ant / "000.png").write_bytes((ant / "000.png").read_bytes()[:-40])
        case "gif":
            Image.new("RGB", (9, 9)).save(ant / "a.gif")
            (ant / "a.gif").rename(ant / "a.png")


@pytest.mark.parametrize(
    ("what", "reason", "name"),
    [
        ("empty class", "class folder dog holds no PNG or JPEG", "d"),
        ("hidden only", "class folder dog holds no PNG or JPEG", "d"),
        ("broken link", "a broken link", "a.png"),
        ("link to itself", "a broken link", "a.png"),
        ("pipe", "neither a file nor a folder", "a.png"),
        ("webp", "convert it to PNG or JPEG", "a.webp"),
        ("stray image", "belongs to no class", "a.png"),
        ("empty file", "an empty file", "a.png"),
        ("page", "HTML page", "a.jpg"),
        ("truncated", "a broken image", "000.png"),
        ("gif", "another format", "a.png"),
    ],
)
def test_a_spoiled_folder_is_refused_by_name(
    what: str, reason: str, name: str, tmp_path: Path
) -> None:
    root = _save(tmp_path / "d")
    _spoil(root, what)
    with pytest.raises(InputError, match=reason) as caught:
        _build(root)
    assert caught.value.where.endswith(name)
    assert "\n" not in str(caught.value)


def test_folders_that_are_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(InputError, match="holds 0 class folders"):
        _build(tmp_path / "d")
    with pytest.raises(InputError, match="no such folder"):
        _build(tmp_path / "absent")
    with pytest.raises(InputError, match="holds 1 class folders"):
        _build(_save(tmp_path / "d", classes=("ant",)))
    _save(tmp_path / "e" / "train")
    _save(tmp_path / "e" / "test", 2, classes=("ant", "eel"), seed=1)
    with pytest.raises(InputError, match="class folders eel are not in train"):
        _build(tmp_path / "e")
    _save(tmp_path / "f" / "train")
    _save(tmp_path / "f" / "tset", 2, seed=1)
    with pytest.raises(InputError, match="holds tset beside train"):
        _build(tmp_path / "f")


def test_a_split_that_takes_too_much_is_refused(tmp_path: Path) -> None:
    root = _save(tmp_path / "d", 4)
    for node in ({"test": 12}, {"test": 6, "validation": 6}):
        with pytest.raises(InputError, match="can't be taken from"):
            _build(root, **node)
    with pytest.raises(InputError, match="is left to train on"):
        _build(root, test=10)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    root = _save(tmp_path / "d")
    odd = Path(os.fsdecode(os.fsencode(root / "ant") + b"/\xff\xfe.png"))
    (root / "ant" / "000.png").rename(odd)
    task = _build(root)
    assert len(task.train) + len(task.validation) + len(task.test()) == 30
    odd.write_bytes(b"broken")
    with pytest.raises(InputError) as caught:
        _build(root)
    str(caught.value).encode()
    Path(os.fsdecode(os.fsencode(root) + b"/\xff")).mkdir()
    with pytest.raises(InputError, match="not UTF-8"):
        _build(root)


def _parts(root: Path, in_memory_bytes: int) -> Any:
    node = ImageFolderTask(kind="image-folder", data=root.name, size=8)
    return image_folder(
        node,
        folder=root.parent,
        seed=0,
        cache=root.parent / "cache",
        in_memory_bytes=in_memory_bytes,
    )


def test_a_large_set_is_mapped_from_the_cache_and_equal(tmp_path: Path) -> None:
    root = _save(tmp_path / "d")
    small, large = _parts(root, 10**9), _parts(root, 0)
    for split in ("train", "validation", "test"):
        images = getattr(large, split)[0]
        assert isinstance(images, np.memmap)
        assert not images.flags.writeable
        np.testing.assert_array_equal(images, getattr(small, split)[0])
    (stored,) = (tmp_path / "cache").rglob("*.npy")
    made = stored.stat().st_mtime_ns
    _parts(root, 0)
    assert stored.stat().st_mtime_ns == made


def test_a_damaged_mapped_file_is_made_again(tmp_path: Path) -> None:
    root = _save(tmp_path / "d")
    expected = np.array(_parts(root, 0).train[0])
    (stored,) = (tmp_path / "cache").rglob("*.npy")
    data = bytearray(stored.read_bytes())
    data[200] ^= 1
    for damaged in (bytes(data), bytes(data[:-50]), b""):
        stored.write_bytes(damaged)
        np.testing.assert_array_equal(_parts(root, 0).train[0], expected)
    next(root.rglob("*.png")).write_bytes(b"broken now")
    files = sorted((tmp_path / "cache").rglob("*"))
    with pytest.raises(InputError, match="not a PNG or JPEG"):
        _parts(root, 0)
    assert sorted((tmp_path / "cache").rglob("*")) == files  # and nothing half-written


def test_test_membership_does_not_follow_names(tmp_path: Path) -> None:
    """Content decides: renaming files moves none between the splits."""
    root = _save(tmp_path / "d")
    before = {row.tobytes() for row in _build(root).test().inputs}
    for index, path in enumerate(sorted(root.rglob("*.*"))):
        path.rename(path.with_name(f"z{100 - index}{path.suffix}"))
    assert {row.tobytes() for row in _build(root).test().inputs} == before


@pytest.mark.parametrize("names", [("Train", "Test"), ("training", "testing", "val")])
def test_splits_of_other_names_are_not_taken_for_classes(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        _save(tmp_path / "d" / name, 2)
    with pytest.raises(InputError, match="are splits, and would be taken for classes") as caught:
        _build(tmp_path / "d")
    assert "name them train, test" in str(caught.value.cure)
