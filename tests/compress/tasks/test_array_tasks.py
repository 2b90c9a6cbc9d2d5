"""image-arrays and python: what is refused before a task is made, and what is noted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compress.errors import InputError
from compress.recipe.nodes import ImageArraysTask, PythonTask
from compress.tasks import StreamData, Task, build_task
from compress.tasks.streams import stream_task


def _arrays(**changes: Any) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays = {
        "train_images": random.integers(0, 256, (40, 6, 5), dtype=np.uint8),
        "train_labels": np.arange(40) % 4,
        "test_images": random.integers(0, 256, (20, 6, 5), dtype=np.uint8),
        "test_labels": np.arange(20) % 4,
    }
    return {name: a for name, a in (arrays | changes).items() if a is not None}


def _from_npz(folder: Path, arrays: dict[str, np.ndarray], **node: Any) -> Task:
    np.savez(folder / "d.npz", **arrays)
    node = {"validation": 8} | node
    task = ImageArraysTask(kind="image-arrays", data="d.npz", **node)
    return build_task(task, folder=folder, seed=0, cache=folder / "cache")


def _from_python(folder: Path, body: str, **node: Any) -> Task:
    (folder / "own.py").write_text(
        "import numpy as np\nfrom compress.tasks import ArrayData\n"
        "x = np.random.default_rng(0).random((30, 7), dtype=np.float32)\n"
        "y = np.arange(30) % 3\n"
        f"def data():\n    {body}\n"
    )
    task = PythonTask(kind="python", target="own.py:data", **node)
    return build_task(task, folder=folder, seed=0, cache=folder / "cache")


BAD = [
    ({"train_labels": np.arange(40) % 4 - 1}, {}, "is negative"),
    ({"test_labels": np.arange(20) % 5}, {}, r"test: 4 labels are out of range: sample 4 has 4"),
    ({}, {"classes": ("a", "b", "c")}, r"train: 10 labels are out of range: sample 3 has 3"),
    ({"train_labels": np.arange(39) % 4}, {}, "39 labels for 40 samples"),
    ({"train_labels": np.arange(40.0)}, {}, "float64, not integers"),
    ({"train_labels": np.eye(4)[np.arange(40) % 4]}, {}, "one-hot"),
    ({"train_labels": np.zeros(40, int)}, {}, "there is 1 class"),
    (
        {"train_labels": np.zeros(40, int)},
        {"classes": tuple("abcd")},
        "all 40 samples are of class 0",
    ),
    ({"train_labels": np.arange(40) % 4 + 1}, {}, "no sample has label 0"),
    ({"train_labels": np.r_[np.arange(39) % 4, 1000]}, {}, "no sample has label 4"),
    ({}, {"classes": ("a", "b", "c", "a")}, "class names appear twice: a"),
    ({}, {"classes": ("a", "b", "c", " ")}, "empty"),
    ({"train_images": np.zeros((0, 6, 5), np.uint8), "train_labels": np.zeros(0, int)}, {}, "no s"),
    (
        {"test_images": np.zeros((0, 6, 5), np.uint8), "test_labels": np.zeros(0, int)},
        {},
        "test: t",
    ),
    ({"train_images": np.zeros((1, 6, 5), np.uint8), "train_labels": np.zeros(1, int)}, {}, "1 cl"),
    ({"train_images": np.zeros((40, 6, 5), np.int64)}, {}, "int64; convert them to uint8"),
    ({"train_images": np.zeros((40, 30), np.uint8)}, {}, r"shape \(40, 30\)"),
    ({"train_images": np.zeros((40, 6, 5, 2), np.uint8)}, {}, "1, 3 or 4 channels"),
    ({"train_images": np.zeros((40, 0, 5), np.uint8)}, {}, "hold nothing"),
    ({"test_images": np.zeros((20, 6, 6), np.uint8)}, {}, r"those of train uint8 of shape"),
    ({"test_images": None}, {}, "test_images is not there"),
    ({"validation_labels": np.zeros(3, int)}, {}, "validation_images is not there"),
    ({}, {"validation": 40}, "set it between 1 and 39"),
    ({}, {"validation": 5000}, "5000 validation samples can't be taken from 40"),
]


@pytest.mark.parametrize(("changes", "node", "reason"), BAD)
def test_bad_arrays_are_refused(
    changes: dict[str, Any], node: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        _from_npz(tmp_path, _arrays(**changes), **node)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_samples_that_are_not_finite_are_named(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((40, 6, 5))
    images[3, 0, 0], images[9, 5, 4] = np.nan, np.inf
    tests = np.random.default_rng(1).random((20, 6, 5))
    with pytest.raises(InputError, match="train: 2 samples hold NaN or infinity: 3, 9"):
        _from_npz(tmp_path, _arrays(train_images=images, test_images=tests))


@pytest.mark.parametrize("shape", [(40, 6, 5), (40, 1, 6, 5), (40, 3, 6, 5), (40, 6, 5, 3)])
def test_layouts_become_channels_first(shape: tuple[int, ...], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    train = random.integers(0, 256, shape, dtype=np.uint8)
    test = random.integers(0, 256, (20, *shape[1:]), dtype=np.uint8)
    task = _from_npz(tmp_path, _arrays(train_images=train, test_images=test))
    expected = train[:, None] if len(shape) == 3 else train
    expected = expected.transpose(0, 3, 1, 2) if shape[-1] == 3 else expected
    np.testing.assert_array_equal(task.train.inputs, expected[task.train.ids])
    assert task.train.inputs.flags.c_contiguous


def test_float_images_are_float32_and_not_scaled(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    task = _from_npz(
        tmp_path,
        _arrays(train_images=random.random((40, 6, 5)), test_images=random.random((20, 6, 5))),
    )
    assert task.train.inputs.dtype == np.float32
    assert task.scale == 1.0
    np.testing.assert_array_equal(task.prepare(task.train.inputs), task.train.inputs)


def test_given_validation_samples_are_used(tmp_path: Path) -> None:
    images = np.random.default_rng(9).integers(0, 256, (6, 6, 5), dtype=np.uint8)
    task = _from_npz(
        tmp_path,
        _arrays(validation_images=images, validation_labels=np.arange(6) % 4),
        validation=5000,
    )
    np.testing.assert_array_equal(task.validation.inputs[:, 0], images)
    assert (len(task.train), len(task.validation), len(task.test())) == (40, 6, 20)
    assert task.validation.ids.tolist() == list(range(40, 46))
    assert task.test().ids.tolist() == list(range(46, 66))


def test_the_size_of_the_test_split_is_known_without_a_look_at_it(tmp_path: Path) -> None:
    task = _from_npz(tmp_path, _arrays())
    assert task.test_samples == 20
    assert getattr(task.test, "reads") == 0  # noqa: B009
    assert len(task.test()) == 20
    streams = (
        [np.full((5, 2), n, dtype=np.float32) for n in range(30)],
        [np.arange(5) % 2 for _ in range(30)],
    )
    tested = (
        [np.full((4, 2), 99 + n, dtype=np.float32) for n in range(7)],
        [np.arange(4) % 2 for _ in range(7)],
    )
    data = StreamData(train=streams, test=tested, classes=("a", "b"))
    assert stream_task(data).test_samples == 7


def _with_copies(copies: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    train = random.integers(0, 256, (300, 6, 5), dtype=np.uint8)
    test = random.integers(0, 256, (200, 6, 5), dtype=np.uint8)
    test[:copies] = train[:copies]
    return {
        "train_images": train,
        "train_labels": np.arange(300) % 4,
        "test_images": test,
        "test_labels": np.arange(200) % 4,
    }


def test_a_few_copies_are_noted(tmp_path: Path) -> None:
    assert _from_npz(tmp_path, _with_copies(0)).notes == ()
    notes = _from_npz(tmp_path, _with_copies(2)).notes
    assert notes == ("2 of 200 test samples (1.00%) are also in train or validation",)


def test_many_copies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3 of 200 test samples \(1\.50%\).* first has id 300"):
        _from_npz(tmp_path, _with_copies(3))


def _with_validation(source: str, copies: int) -> dict[str, np.ndarray]:
    """100 validation images, the last of them copies of train's or test's."""
    arrays = _with_copies(0)
    images = np.random.default_rng(1).integers(0, 256, (100, 6, 5), dtype=np.uint8)
    images[100 - copies :] = arrays[f"{source}_images"][:copies]
    return {**arrays, "validation_images": images, "validation_labels": np.arange(100) % 4}


@pytest.mark.parametrize("source", ["train", "test"])
def test_validation_shares_at_most_one_percent_with_train_and_with_test(
    source: str, tmp_path: Path
) -> None:
    task = _from_npz(tmp_path, _with_validation(source, 1))
    assert f"1 of 100 validation samples (1.00%) are also in {source}" in task.notes
    said = rf"d\.npz: 2 of 100 validation samples \(2\.00%\) are also in {source}, the first has id"
    with pytest.raises(InputError, match=said + " 398; remove the copies") as caught:
        _from_npz(tmp_path, _with_validation(source, 2))
    assert caught.value.exit_code == 2


def test_training_samples_that_are_held_out_too_are_known(tmp_path: Path) -> None:
    assert _from_npz(tmp_path, _with_validation("train", 1)).held_out_too == (0,)
    assert _from_npz(tmp_path, _with_validation("test", 1)).held_out_too == ()
    arrays = _with_copies(2)
    arrays["train_images"][5] = arrays["train_images"][0]  # twice in train, once in test
    assert _from_npz(tmp_path, arrays, validation=1).held_out_too == (0, 1, 5)


def test_copies_within_train_are_held_out_together(tmp_path: Path) -> None:
    arrays = _arrays()
    arrays["train_images"][20:] = arrays["train_images"][:20]
    task = _from_npz(tmp_path, arrays)
    held = set(task.validation.ids.tolist())
    assert 8 <= len(held) <= 16
    assert held == {(one + 20) % 40 for one in held}
    assert task.notes == ()


def test_a_named_class_without_samples_is_noted(tmp_path: Path) -> None:
    task = _from_npz(tmp_path, _arrays(), classes=("a", "b", "c", "d", "e"))
    assert task.notes[0] == "no train sample is of class e"
    assert len(task.notes) == 3


def test_neither_source_nor_data(tmp_path: Path) -> None:
    node = ImageArraysTask(kind="image-arrays")
    with pytest.raises(InputError, match="neither source nor data"):
        build_task(node, folder=tmp_path, seed=0, cache=tmp_path)


def test_a_folder_without_idx_files(tmp_path: Path) -> None:
    node = ImageArraysTask(kind="image-arrays", data=".")
    with pytest.raises(InputError, match="holds no IDX files"):
        build_task(node, folder=tmp_path, seed=0, cache=tmp_path)


def test_the_fingerprint_knows_names_and_seed(tmp_path: Path) -> None:
    prints = {
        _from_npz(tmp_path, _arrays(), **node).fingerprint
        for node in ({}, {"classes": tuple("abcd")}, {"validation": 9}, {})
    }
    assert len(prints) == 3


def test_vectors_from_python(tmp_path: Path) -> None:
    body = "return ArrayData(train=(x, y), test=(x + 1, y), classes=('a', 'b', 'c'), scale=0.5)"
    task = _from_python(tmp_path, body)
    assert (task.input_name, task.scale) == ("inputs", 0.5)
    assert (len(task.train), len(task.validation)) == (27, 3)
    assert task.prepare(np.full((2, 7), 3, np.float32)).tolist() == [[1.5] * 7] * 2


BAD_PYTHON = [
    ("return 3", {}, "returned int; return compress.tasks.ArrayData"),
    ("raise KeyError('gone')", {}, "KeyError"),
    ("return ArrayData(train=x, test=(x, y), classes=('a', 'b', 'c'))", {}, "not a pair of numpy"),
    (
        "return ArrayData(train=(x, y.tolist()), test=(x + 1, y), classes=('a', 'b', 'c'))",
        {},
        "train is not a pair of numpy arrays",
    ),
    ("return ArrayData(train=(x, y), test=(x + 1, y), classes='abc')", {}, "classes are str"),
    ("return ArrayData(train=(x, y), test=(x + 1, y), classes=('a', 3, 'c'))", {}, "not text"),
    (
        "return ArrayData(train=(x.astype(float), y), test=(x + 1, y), classes=('a', 'b', 'c'))",
        {},
        "float64; convert them to uint8 or float32",
    ),
    (
        "return ArrayData(train=(x, y), test=(x + 1, y), classes=('a', 'b', 'c'), scale='1')",
        {},
        "scale is str",
    ),
    (
        "return ArrayData(train=(x, y), test=(x + 1, y), classes=('a', 'b', 'c'), scale=0.0)",
        {},
        "not a positive number",
    ),
    (
        "return ArrayData(train=(x, y), test=(x + 1, y), classes=('a', 'b', 'c'))",
        {"augment": {"flip": True}},
        "no images",
    ),
    (
        "return ArrayData(train=(x, y), test=(x + 1, y), validation=(x + 2, y), "
        "classes=('a', 'b', 'c'))",
        {"validation": 5},
        "remove one of them",
    ),
    ("return ArrayData(train=(x, y), test=(x, y), classes=('a', 'b', 'c'))", {}, "proves nothing"),
]


@pytest.mark.parametrize(("body", "node", "reason"), BAD_PYTHON)
def test_bad_python_tasks_are_refused(
    body: str, node: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        _from_python(tmp_path, body, **node)
    assert "\n" not in str(caught.value)
