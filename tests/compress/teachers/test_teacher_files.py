"""Folders and files that teachers come from: what is refused, and what stored forms mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from toy_task import dense

from compress.errors import InputError
from compress.teachers.earlier_run import shipped
from compress.teachers.given import outputs_teacher
from compress.teachers.hugging_face import transformers_teacher
from compress.teachers.top_k import shorten
from compress.teachers.transformers_files import folder_digest
from exporters.errors import DistilError

IDS = np.array([40, 7, 12, 3])
ZERO = "0" * 64


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    whole: np.ndarray = shares / shares.sum(axis=1, keepdims=True)
    return whole


def answers(folder: Path, ids: np.ndarray, classes: int = 6, **arrays: np.ndarray) -> np.ndarray:
    """From .npz and .safetensors, which must agree."""
    np.savez(folder / "o.npz", ids=IDS, **arrays)
    save_file({"ids": IDS, **arrays}, folder / "o.safetensors")
    first, second = (
        outputs_teacher(folder / name, digest=ZERO, classes=classes)
        for name in ("o.npz", "o.safetensors")
    )
    assert first.by_id is not None
    assert second.by_id is not None
    found = first.by_id(ids)
    np.testing.assert_array_equal(found, second.by_id(ids))
    return found


def test_rows_are_found_by_sample_id(tmp_path: Path) -> None:
    logits = dense(4, 6, seed=0)
    found = answers(tmp_path, np.array([3, 40]), logits=logits)
    np.testing.assert_array_equal(found, logits[[3, 0]])


def test_every_stored_form_keeps_the_probabilities_that_it_holds(tmp_path: Path) -> None:
    logits = dense(4, 6, seed=1)
    shares = softmax(logits)
    whole = answers(tmp_path, IDS, probabilities=shares)
    np.testing.assert_allclose(softmax(whole), shares, atol=1e-6)
    indices, values, tail = shorten(logits, 2)
    rows = np.arange(4)[:, None]
    for arrays in (
        {"indices": indices, "logits": values, "tail": tail},
        {"indices": indices, "probabilities": shares[rows, indices].astype(np.float16)},
    ):
        found = softmax(answers(tmp_path, IDS, **arrays))
        np.testing.assert_allclose(found[rows, indices], shares[rows, indices], atol=1e-3)


def test_hard_labels_are_nearly_sure(tmp_path: Path) -> None:
    found = answers(tmp_path, np.array([12, 7]), labels=np.array([0, 5, 2, 1]))
    assert found.argmax(axis=1).tolist() == [2, 5]
    assert softmax(found).max(axis=1).min() > 0.999


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"logits": np.zeros((4, 5), np.float32)}, r"shape \(4, 5\), the task has 6 classes"),
        ({"logits": np.zeros((3, 6), np.float32)}, "3 rows of logits for 4 ids"),
        ({"labels": np.array([0, 1, 2, 6])}, "labels reach from 0 to 6, the task has 6 classes"),
        ({"labels": np.zeros(4)}, "labels are float64"),
        ({"indices": np.zeros((4, 2), np.int64)}, "holds indices beside ids"),
        ({}, "holds nothing beside ids"),
    ],
)
def test_stored_outputs_that_do_not_fit_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], words: str
) -> None:
    np.savez(tmp_path / "o.npz", ids=IDS, **arrays)
    with pytest.raises(InputError, match=words):
        outputs_teacher(tmp_path / "o.npz", digest=ZERO, classes=6)


def test_ids_are_there_and_each_once(tmp_path: Path) -> None:
    path = tmp_path / "o.npz"
    np.savez(path, labels=np.zeros(4, np.int64))
    with pytest.raises(InputError, match="holds no `ids`"):
        outputs_teacher(path, digest=ZERO, classes=6)
    np.savez(path, ids=np.array([1, 1]), labels=np.zeros(2, np.int64))
    with pytest.raises(InputError, match="an id comes twice"):
        outputs_teacher(path, digest=ZERO, classes=6)
    np.savez(path, ids=IDS, labels=np.zeros(4, np.int64))
    teacher = outputs_teacher(path, digest=ZERO, classes=6)
    assert teacher.by_id is not None
    with pytest.raises(InputError, match=r"no output of 2 samples \(ids 8, 99\)"):
        teacher.by_id(np.array([7, 8, 99]))


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "o.npz", ids=IDS, labels=np.array([{}, {}, {}, {}], dtype=object))
    with pytest.raises(InputError):
        outputs_teacher(tmp_path / "o.npz", digest=ZERO, classes=6)


def folder(tmp_path: Path, **config: object) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_a_folder_that_asks_for_code_is_refused(tmp_path: Path) -> None:
    place = folder(tmp_path, auto_map={"AutoModel": "evil.py--Model"})
    for look in (folder_digest, lambda path: transformers_teacher(path, digest=ZERO)):
        with pytest.raises(InputError, match="asks for code of its own"):
            look(place)


def test_a_pickle_in_a_folder_is_never_opened(tmp_path: Path) -> None:
    place = folder(tmp_path, architectures=["ViTForImageClassification"])
    (place / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    with pytest.raises(InputError, match="a pickle is never opened") as caught:
        transformers_teacher(place, digest=ZERO)
    assert "distil convert" in caught.value.cure


def test_an_architecture_that_the_library_lacks_is_named(tmp_path: Path) -> None:
    place = folder(tmp_path, architectures=["os"])
    save_file({"a": np.zeros(1, np.float32)}, place / "model.safetensors")
    with pytest.raises(InputError, match="names the architecture 'os'"):
        transformers_teacher(place, digest=ZERO)


def test_weights_that_a_folder_lacks_would_be_random(tmp_path: Path) -> None:
    import transformers

    config = transformers.ViTConfig(
        image_size=8, patch_size=4, num_channels=1, hidden_size=8, num_hidden_layers=1,
        num_attention_heads=1, intermediate_size=8, architectures=["ViTForImageClassification"],
    )  # fmt: skip
    config.save_pretrained(tmp_path)
    save_file({"classifier.bias": np.zeros(2, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="which would be random"):
        transformers_teacher(tmp_path, digest=ZERO)


def test_a_folder_without_a_finished_run_is_no_teacher(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json is here"):
        shipped(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(DistilError, match="damaged"):
        shipped(tmp_path)
