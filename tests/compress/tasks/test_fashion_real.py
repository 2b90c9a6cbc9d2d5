"""The real Fashion-MNIST: sizes, ids, split and fingerprint that shipped files rest on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from compress.recipe.nodes import ImageArraysTask
from compress.tasks import build_task
from compress.tasks.fashion import CLASSES, CONTENTS


def test_the_real_data(fashion_folder: Path, tmp_path: Path) -> None:
    node = ImageArraysTask(kind="image-arrays", source="fashion-mnist")
    task = build_task(node, folder=tmp_path, seed=0, cache=tmp_path, data_folder=fashion_folder)
    test = task.test()
    assert (len(task.train), len(task.validation), len(test)) == (55_000, 5_000, 10_000)
    assert task.train.inputs.shape == (55_000, 1, 28, 28)
    assert sorted([*task.train.ids, *task.validation.ids]) == list(range(60_000))
    assert test.ids.tolist() == list(range(60_000, 70_000))
    assert task.classes == CLASSES
    assert test.labels[:5].tolist() == [9, 2, 1, 1, 6]
    assert np.bincount(test.labels).tolist() == [1_000] * 10
    assert task.notes == ()
    assert task.fingerprint == "dc85562876c4793de1d631b80da92ad28d5e48b7927a4a360377bc4d8adf4500"
    assert list(tmp_path.iterdir()) == []


def test_the_real_pins_are_those_of_60000_and_10000_images() -> None:
    sizes = {name: size for name, (size, _) in CONTENTS.items()}
    assert sizes == {
        "train-images-idx3-ubyte": 16 + 60_000 * 28 * 28,
        "train-labels-idx1-ubyte": 8 + 60_000,
        "t10k-images-idx3-ubyte": 16 + 10_000 * 28 * 28,
        "t10k-labels-idx1-ubyte": 8 + 10_000,
    }
    assert all(len(digest) == 64 for _, digest in CONTENTS.values())
