"""Weights: what is read, what is refused and how, what is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from exporters.errors import InputError
from exporters.weights import load_into, load_weights, save_weights

TENSORS = {
    "b": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "count": torch.tensor(7),
}


def test_loads_what_was_saved(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", TENSORS)
    loaded = load_weights(tmp_path / "w.safetensors")
    assert loaded.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)
    loaded["b"] += 1  # writable memory of its own


def test_same_tensors_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    save_weights(tmp_path / "one", TENSORS)
    save_weights(tmp_path / "two", dict(reversed(TENSORS.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_same_bytes_from_another_process(tmp_path: Path) -> None:
    program = (
        "import sys, torch; from exporters.weights import save_weights; "
        "save_weights(sys.argv[1], {f'l.{i}': torch.full((i + 1,), float(i)) for i in range(40)})"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "theirs")],
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "5"},
    )
    ours = {f"l.{i}": torch.full((i + 1,), float(i)) for i in reversed(range(40))}
    save_weights(tmp_path / "ours", ours)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_shared_and_strided_tensors_are_written_out(tmp_path: Path) -> None:
    base = torch.arange(8.0)
    images = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    shared = {"all": base, "even": base[::2], "tied": base, "images": images}
    save_weights(tmp_path / "w", shared)
    loaded = load_weights(tmp_path / "w")
    for name, tensor in shared.items():
        assert torch.equal(loaded[name], tensor)


def test_an_earlier_file_survives_a_failed_write(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", TENSORS)
    before = (tmp_path / "w").read_bytes()
    with pytest.raises(InputError, match="folder does not exist"):
        save_weights(tmp_path / "absent" / "w", TENSORS)
    assert (tmp_path / "w").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["w"]


def test_a_pickle_is_refused_with_the_cure(tmp_path: Path) -> None:
    for zipped in (True, False):
        for name, target in (("w.pt", "w.safetensors"), ("w.safetensors", "w.converted.safetens")):
            path = tmp_path / name
            torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
            with pytest.raises(InputError) as caught:
                load_weights(path)
            assert "pickle" in str(caught.value)
            assert f"`distil convert {path} {tmp_path / target}" in str(caught.value)
            assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html><body>404", "an HTML page, not a safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"PK\x03\x04" + b"\x00" * 40, "a zip archive, not a safetensors file"),
        (b"\x00\x01\x02random", "no safetensors file"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{", "truncated"),
        (b"\xff" * 8 + b"{}", "100 MB"),
        (b"\x03" + b"\x00" * 7 + b"{]}", "damaged safetensors header"),
    ],
)
def test_what_it_is_instead_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        load_weights(tmp_path / "w.safetensors")
    assert "\n" not in str(caught.value)
    assert ".onnx" not in str(caught.value)


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_weights(tmp_path / "absent")
    with pytest.raises(InputError, match="can't be read"):
        load_weights(tmp_path)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", TENSORS)
    data = (tmp_path / "w").read_bytes()
    for length in range(len(data)):
        (tmp_path / "cut").write_bytes(data[:length])
        with pytest.raises(InputError):
            load_weights(tmp_path / "cut")
    (tmp_path / "cut").write_bytes(data + b"PK")
    with pytest.raises(InputError, match="after its last tensor"):
        load_weights(tmp_path / "cut")


def _file(path: Path, header: object, data: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 8]}, "its shape says"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}, "no whole number"),
        ({"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}, "unknown type"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}, "a gap or an overlap"),
        ({"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]}, "no whole number"),
        ([], "damaged"),
    ],
)
def test_forged_headers_are_refused(tmp_path: Path, entry: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_weights(_file(tmp_path / "w", {"x": entry}, bytes(8)))


def test_a_long_header_that_begins_like_gzip_is_read(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    bare = {"__metadata__": {"note": ""}, "x": entry}
    bare["__metadata__"]["note"] = "n" * (35_615 - len(json.dumps(bare)))  # type: ignore[index]
    path = _file(tmp_path / "w", bare, bytes(8))
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert torch.equal(load_weights(path)["x"], torch.zeros(2))


def test_fits_into_a_module(tmp_path: Path) -> None:
    torch.manual_seed(0)
    one, two = (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)) for _ in range(2))
    save_weights(tmp_path / "w", one.state_dict())
    load_into(two, load_weights(tmp_path / "w"))
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


def test_misfits_are_counted_and_the_first_three_named() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    tensors = {"0.weight": torch.zeros(4, 5), "0.bias": torch.ones(4), "other": torch.zeros(1)}
    with pytest.raises(InputError) as caught:
        load_into(module, tensors, where="w.safetensors")
    assert str(caught.value) == (
        "w.safetensors: don't fit Sequential: 4 missing (1.weight, 1.bias, 2.weight, and 1 more); "
        "1 unexpected (other); 1 of another shape: (0.weight (4, 5) for (4, 3)); "
        "check that the weights belong to this network and its settings"
    )
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
