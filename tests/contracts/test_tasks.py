"""What every kind of task keeps: run over each of them."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from text_table import change_text_table, text_table

from compress.recipe.nodes import (
    AudioFolderTask,
    ImageArraysTask,
    ImageFolderTask,
    PythonTask,
    TaskNode,
)
from compress.tasks import Task, build_task
from exporters.events import Event
from tests.compress.tasks.sounds import wav

CLASSES = ("ant", "bee", "cat")
TRAIN, TEST = 90, 30


def _arrays(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    return random.integers(0, 256, (count, 8, 8), dtype=np.uint8), labels.astype(np.uint8)


def _npz(folder: Path) -> TaskNode:
    (images, labels), (test_images, test_labels) = _arrays(TRAIN, 1), _arrays(TEST, 2)
    np.savez_compressed(
        folder / "data.npz",
        train_images=images,
        train_labels=labels,
        test_images=test_images,
        test_labels=test_labels,
    )
    return ImageArraysTask(kind="image-arrays", data="data.npz", validation=10, classes=CLASSES)


def _change_npz(folder: Path, what: str) -> None:
    with np.load(folder / "data.npz") as stored:
        arrays = {name: stored[name].copy() for name in stored.files}
    if what == "pixel":
        arrays["train_images"][7, 3, 3] ^= 1
    elif what == "label":
        arrays["train_labels"][7] = (arrays["train_labels"][7] + 1) % len(CLASSES)
    else:
        arrays["test_images"], arrays["test_labels"] = _arrays(TEST + 1, 2)
    np.savez_compressed(folder / "data.npz", **arrays)


def _write_idx(path: Path, array: np.ndarray) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    data = head + array.tobytes()
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)


def _idx(folder: Path) -> TaskNode:
    for split, (images, labels) in {"train": _arrays(TRAIN, 1), "t10k": _arrays(TEST, 2)}.items():
        _write_idx(folder / f"{split}-images-idx3-ubyte.gz", images)
        _write_idx(folder / f"{split}-labels-idx1-ubyte", labels)
    return ImageArraysTask(kind="image-arrays", data=".", validation=10, classes=CLASSES)


def _change_idx(folder: Path, what: str) -> None:
    images, labels = _arrays(TRAIN, 1)
    if what == "pixel":
        images[7, 3, 3] ^= 1
    elif what == "label":
        labels[7] = (labels[7] + 1) % len(CLASSES)
    else:
        images, labels = images[:-1], labels[:-1]
    _write_idx(folder / "train-images-idx3-ubyte.gz", images)
    _write_idx(folder / "train-labels-idx1-ubyte", labels)


def _save_images(root: Path, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    for index in range(count):
        place = root / CLASSES[index % len(CLASSES)]
        place.mkdir(parents=True, exist_ok=True)
        side = int(random.integers(9, 30))
        pixels = random.integers(0, 256, (side, side + 2, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{seed}-{index:03}.png")


def _flat_folder(folder: Path) -> TaskNode:
    _save_images(folder / "photos", TRAIN, 1)
    return ImageFolderTask(kind="image-folder", data="photos", size=8)


def _split_folder(folder: Path) -> TaskNode:
    _save_images(folder / "photos" / "train", TRAIN, 1)
    _save_images(folder / "photos" / "test", TEST, 2)
    return ImageFolderTask(kind="image-folder", data="photos", size=8)


def _change_folder(folder: Path, what: str) -> None:
    path = sorted(folder.rglob("ant/*.png"))[0]
    if what == "pixel":
        image = Image.open(path)
        red, green, blue = image.getpixel((0, 0))
        image.putpixel((0, 0), (red ^ 1, green, blue))
        image.save(path)
    elif what == "label":
        path.rename(path.parent.parent / "bee" / path.name)
    else:
        path.rename(path.with_name("renamed.png"))


def _python(folder: Path) -> TaskNode:
    (images, labels), (test_images, test_labels) = _arrays(TRAIN, 1), _arrays(TEST, 2)
    np.savez(folder / "own.npz", a=images, b=labels, c=test_images, d=test_labels)
    (folder / "own.py").write_text(
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from compress.tasks import ArrayData\n"
        "def data():\n"
        "    with np.load(Path(__file__).parent / 'own.npz') as s:\n"
        "        return ArrayData(train=(s['a'][:, None], s['b']),\n"
        "                         test=(s['c'][:, None], s['d']),\n"
        f"                         classes={CLASSES!r})\n"
    )
    return PythonTask(kind="python", target="own.py:data")


def _change_python(folder: Path, what: str) -> None:
    with np.load(folder / "own.npz") as stored:
        arrays = {name: stored[name].copy() for name in stored.files}
    if what == "pixel":
        arrays["c"][7, 3, 3] ^= 1
    elif what == "label":
        arrays["d"][7] = (arrays["d"][7] + 1) % len(CLASSES)
    else:
        arrays["a"], arrays["b"] = arrays["a"][:-1], arrays["b"][:-1]
    np.savez(folder / "own.npz", **arrays)


def _save_recordings(folder: Path) -> None:
    random = np.random.default_rng(1)
    for index in range(TRAIN):
        place = folder / "sounds" / CLASSES[index % len(CLASSES)]
        place.mkdir(parents=True, exist_ok=True)
        sound = wav(random.uniform(-1, 1, random.integers(300, 500)))
        (place / f"{index:03}.wav").write_bytes(sound)


def _waveforms(folder: Path) -> TaskNode:
    _save_recordings(folder)
    return AudioFolderTask(kind="audio-folder", data="sounds", sample_rate=8000, seconds=0.05)


def _log_mels(folder: Path) -> TaskNode:
    node = _waveforms(folder)
    return AudioFolderTask(**node.model_dump() | {"features": "log-mel", "mels": 8})


def _change_sounds(folder: Path, what: str) -> None:
    path = sorted(folder.rglob("ant/*.wav"))[0]
    if what == "pixel":
        data = bytearray(path.read_bytes())
        data[100] ^= 1
        path.write_bytes(data)
    elif what == "label":
        path.rename(path.parent.parent / "bee" / path.name)
    else:
        path.rename(path.with_name("renamed.wav"))


def _texts(folder: Path) -> TaskNode:
    return text_table(folder, classes=CLASSES, train=TRAIN)


def _two_texts(folder: Path) -> TaskNode:
    return text_table(folder, classes=CLASSES, train=TRAIN, test=TEST)


@dataclass(frozen=True)
class Kind:
    """shape: of a row, without its channels; scale: what its numbers are multiplied by."""

    make: Callable[[Path], TaskNode]
    change: Callable[[Path, str], None]
    input_name: str = "images"
    shape: tuple[int, ...] = (8, 8)
    dtype: type = np.uint8
    scale: float = 1 / 255


KINDS = {
    "npz": Kind(_npz, _change_npz),
    "idx": Kind(_idx, _change_idx),
    "flat folder": Kind(_flat_folder, _change_folder),
    "train and test folders": Kind(_split_folder, _change_folder),
    "python": Kind(_python, _change_python),
    "waveforms": Kind(_waveforms, _change_sounds, "inputs", (400,), np.float32, 1.0),
    "log-mel": Kind(_log_mels, _change_sounds, "inputs", (3,), np.float32, 1.0),
    "texts": Kind(_texts, change_text_table, "input_ids", (), np.uint16, 1.0),
    "texts, a file of test": Kind(_two_texts, change_text_table, "input_ids", (), np.uint16, 1.0),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def _build(node: TaskNode, folder: Path, *, seed: int = 0, **more: object) -> Task:
    return build_task(node, folder=folder, seed=seed, cache=folder / "cache", **more)


@pytest.mark.parametrize("what", ["pixel", "label", "file"])
def test_fingerprint_changes_with_the_data(kind: Kind, what: str, tmp_path: Path) -> None:
    node = kind.make(tmp_path)
    before = _build(node, tmp_path).fingerprint
    assert _build(node, tmp_path).fingerprint == before
    kind.change(tmp_path, what)
    assert _build(node, tmp_path).fingerprint != before


def test_same_seed_reproduces_and_another_splits_otherwise(kind: Kind, tmp_path: Path) -> None:
    node = kind.make(tmp_path)
    one, two, other = (_build(node, tmp_path, seed=seed) for seed in (3, 3, 4))
    for left, right in ((one.train, two.train), (one.validation, two.validation)):
        np.testing.assert_array_equal(left.ids, right.ids)
        np.testing.assert_array_equal(left.inputs, right.inputs)
        np.testing.assert_array_equal(left.labels, right.labels)
    assert one.fingerprint == two.fingerprint
    assert one.validation.ids.tolist() != other.validation.ids.tolist()


def test_no_sample_is_in_two_splits_and_none_is_lost(kind: Kind, tmp_path: Path) -> None:
    task = _build(kind.make(tmp_path), tmp_path)
    splits = [task.train, task.validation, task.test()]
    ids = np.concatenate([samples.ids for samples in splits])
    assert sorted(ids.tolist()) == list(range(len(ids)))
    assert len(ids) in {TRAIN, TRAIN + TEST}
    assert all(len(samples) >= 7 for samples in splits)
    contents = {row.tobytes() for samples in splits for row in samples.inputs}
    assert len(contents) == len(ids)


def test_types_and_shapes_are_those_of_the_values(kind: Kind, tmp_path: Path) -> None:
    task = _build(kind.make(tmp_path), tmp_path)
    for samples in (task.train, task.validation, task.test()):
        assert samples.ids.dtype == samples.labels.dtype == np.int64
        assert samples.inputs.shape == (len(samples), task.train.inputs.shape[1], *kind.shape)
        assert samples.inputs.dtype == kind.dtype
        assert len(samples.ids) == len(samples.labels) == len(samples.inputs)
    assert task.input_name == kind.input_name


def test_prepare_gives_scaled_float32(kind: Kind, tmp_path: Path) -> None:
    task = _build(kind.make(tmp_path), tmp_path)
    prepared = task.prepare(task.validation.inputs)
    assert prepared.dtype == np.float32
    assert prepared.shape == task.validation.inputs.shape
    np.testing.assert_allclose(prepared, task.validation.inputs * kind.scale, atol=1e-7)


def test_labels_point_at_the_class_names(kind: Kind, tmp_path: Path) -> None:
    task = _build(kind.make(tmp_path), tmp_path)
    assert task.classes == CLASSES
    for samples in (task.train, task.validation, task.test()):
        assert set(samples.labels.tolist()) <= {0, 1, 2}
    assert np.bincount(task.train.labels, minlength=3).min() >= 10


def test_each_read_of_test_is_told(kind: Kind, tmp_path: Path) -> None:
    events: list[Event] = []
    task = _build(kind.make(tmp_path), tmp_path, on_event=events.append)
    assert [event for event in events if event.kind == "test-read"] == []
    task.test()
    task.test()
    reads = [event.data["reads"] for event in events if event.kind == "test-read"]
    assert reads == [1, 2]


def test_labels_of_a_sample_stay_with_it(kind: Kind, tmp_path: Path) -> None:
    """By another seed the same ids hold the same sample."""
    node = kind.make(tmp_path)
    held: dict[int, tuple[bytes, int]] = {}
    for seed in (0, 1):
        task = _build(node, tmp_path, seed=seed)
        for samples in (task.train, task.validation, task.test()):
            for index, row, label in zip(samples.ids, samples.inputs, samples.labels, strict=True):
                expected = held.setdefault(int(index), (row.tobytes(), int(label)))
                assert expected == (row.tobytes(), int(label))
