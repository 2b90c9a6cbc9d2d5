"""What is handed in as a model and is none: each is refused with its name and a cure."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from tiny_models import conv_model, save

from exporters.artifact import open_artifact
from exporters.errors import InputError, RefusedModel
from exporters.values import OnnxArtifact


def _zip(names: list[str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return stream.getvalue()


class Hostile:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


HEADER = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1440000\n"
FOREIGN = {
    "empty": (b"", "empty file", "write or download it again"),
    "html": (b"\n<!DOCTYPE html><html>404</html>", "an HTML page", "download the file again"),
    "xml": (b"<?xml version='1.0'?><Error/>", "an XML document", "download the file again"),
    "json": (b'{"error": "not found"}', "a JSON document", "give the .onnx file"),
    "text": (b"Entry not found", "a text file", "give the .onnx file"),
    "lfs": (LFS, "a Git LFS pointer", "git lfs pull"),
    "pickle": (pickle.dumps(Hostile()), "a Python pickle", "distil convert"),
    "pickle2": (pickle.dumps({"w": 1}, protocol=2), "a Python pickle", "distil convert"),
    "torch": (
        _zip(["archive/data.pkl", "archive/data/0"]),
        "a PyTorch checkpoint",
        "distil convert",
    ),
    "zip": (_zip(["model.onnx"]), "a zip archive", "unpack it"),
    "tar": (_tar(), "a tar archive", "unpack it"),
    "gzip": (b"\x1f\x8b\x08" + bytes(40), "a gzip archive", "unpack it"),
    "keras": (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 (Keras) file", "tf2onnx"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model", "tf2onnx"),
    "ort": (b"\x1c\0\0\0ORTM" + bytes(40), "onnxruntime's own", "give the .onnx file"),
    "safetensors": (
        struct.pack("<Q", len(HEADER)) + HEADER + bytes(4),
        "a safetensors file",
        "distil export",
    ),
    "zeros": (bytes(5000), "a file of zero bytes", "copy or download"),
    "random": (random.Random(1).randbytes(5000), "random or foreign bytes", "give the .onnx file"),
}


@pytest.mark.parametrize("kind", sorted(FOREIGN))
def test_a_foreign_file_is_refused_by_name_with_a_cure(tmp_path: Path, kind: str) -> None:
    data, what, cure = FOREIGN[kind]
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(RefusedModel) as caught:
        open_artifact(path)
    said = str(caught.value)
    assert caught.value.exit_code == 2
    assert said.startswith(f"{path}: ")
    assert what in said
    assert cure in caught.value.cure
    assert "\n" not in said
    assert not Path("pwned").exists()
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = conv_model().SerializeToString()
    path = tmp_path / "model.onnx"
    said = []
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RefusedModel) as caught:
            open_artifact(path)
        said.append(caught.value.what)
    assert said[0] == "empty file"
    half = f"truncated ONNX model: {len(whole) // 2} bytes here, at least "
    assert said[len(whole) // 2].startswith(half)
    assert said[-1].startswith("truncated ONNX model")


def test_mutants_are_opened_or_refused_and_never_anything_else(tmp_path: Path) -> None:
    """150 seeded mutants, half of a plain model, half of one with external data."""
    from tiny_models import save_external, weight_bytes

    chance = random.Random(20)
    path = tmp_path / "model.onnx"
    (tmp_path / "weights.data").write_bytes(weight_bytes())
    plain = conv_model().SerializeToString()
    external = save_external(path, offset="0", length="432").read_bytes()
    outcomes = {OnnxArtifact: 0, RefusedModel: 0}
    for index in range(150):
        data = bytearray(plain if index % 2 else external)
        for _ in range(chance.choice([1, 1, 2, 4])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            outcomes[type(open_artifact(path))] += 1
        except RefusedModel as exc:
            outcomes[RefusedModel] += 1
            assert str(exc).isprintable()  # noqa: PT017 - either outcome is right
    assert sum(outcomes.values()) == 150
    assert min(outcomes.values()) >= 30


def test_paths_that_are_no_file_are_input_errors(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    cases: list[tuple[Path | str, str]] = [
        (tmp_path / "absent.onnx", "no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "is no plain file"),
        ("/dev/zero", "is no plain file"),
        ("a\0b", "can't be read"),
    ]
    for path, words in cases:
        with pytest.raises(InputError, match=words) as caught:
            open_artifact(path)
        assert type(caught.value) is InputError


def test_a_file_over_two_gibibytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as stream:
        stream.write(conv_model().SerializeToString())
        stream.truncate(2**31)  # sparse: takes no disk
    with pytest.raises(RefusedModel, match="larger than 2 GiB"):
        open_artifact(path)


@pytest.mark.parametrize("name", ["with space.onnx", "größe.onnx", b"\xff.onnx", "x" * 250])
def test_odd_file_names_open(tmp_path: Path, name: str | bytes) -> None:
    path = save(conv_model(), tmp_path / os.fsdecode(name))
    assert open_artifact(path).path == path
