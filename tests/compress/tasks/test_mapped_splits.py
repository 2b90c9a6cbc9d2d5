"""Large splits are mapped from files of theirs, and nothing else about a task changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.tasks import folders, text_rows
from compress.tasks.assemble import Parts, assemble
from compress.tasks.augment import Augmentation
from compress.tasks.data import Task
from compress.tasks.mapped import MappedFiles, rows_of


def _images(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8), np.arange(count) % 3


def _task(folder: Path | None, *, limit: int = 2000) -> Task:
    parts = Parts(
        name="made",
        where="made",
        train=_images(100, 1),
        test=_images(50, 2),
        validation_count=20,
        classes=("a", "b", "c"),
    )
    mapping = None if folder is None else MappedFiles(folder=folder, in_memory_bytes=limit)
    return assemble(parts, augmentation=Augmentation(), seed=0, mapping=mapping)


def test_a_mapped_task_is_the_task_in_memory(tmp_path: Path) -> None:
    plain, mapped = _task(None), _task(tmp_path)
    assert mapped.fingerprint == plain.fingerprint
    np.testing.assert_array_equal(mapped.train.inputs, plain.train.inputs)
    # 80 x 64 and 50 x 64 bytes are above 2,000; the 20 of validation stay in memory.
    assert len(list(tmp_path.iterdir())) == 2
    assert not mapped.train.inputs.flags.owndata
    assert not mapped.train.inputs.flags.writeable
    assert mapped.validation.inputs.flags.writeable


def test_the_next_process_writes_nothing_and_a_damaged_file_is_written_again(
    tmp_path: Path,
) -> None:
    first = _task(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    _task(tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    damaged = sorted(tmp_path.iterdir())[0]
    good = damaged.read_bytes()
    damaged.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    again = _task(tmp_path)
    assert damaged.read_bytes() == good
    assert again.fingerprint == first.fingerprint
    damaged.write_bytes(good[: len(good) // 2])
    assert _task(tmp_path).fingerprint == first.fingerprint


def test_what_is_mapped_already_is_left_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "own.npy"
    np.save(path, _images(100, 3)[0])
    own = np.load(path, mmap_mode="r")
    mapping = MappedFiles(folder=tmp_path / "mapped", in_memory_bytes=10)
    assert rows_of(own, None, mapping=mapping) is own
    some = rows_of(own, np.array([4, 2]), mapping=mapping)
    np.testing.assert_array_equal(some, own[[4, 2]])
    assert len(list((tmp_path / "mapped").iterdir())) == 1


def test_what_is_above_256_mib_is_mapped_by_default(tmp_path: Path) -> None:
    assert MappedFiles(folder=tmp_path).in_memory_bytes == 268_435_456
    assert folders.IN_MEMORY_BYTES == text_rows.IN_MEMORY_BYTES == 268_435_456
    row = np.zeros((1, 2**20), dtype=np.uint8)  # 1 MiB, shown as 256 that take no room
    whole = np.broadcast_to(row, (256, 2**20))
    assert rows_of(whole, None, mapping=MappedFiles(folder=tmp_path)) is whole
    assert not list(tmp_path.iterdir())
