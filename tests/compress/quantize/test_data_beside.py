"""Float files whose weights lie beside them: read as one, up to what one message can hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from small_graphs import model, node

from compress import quantize
from compress.errors import InputError
from compress.quantize.values import SCHEMES, Scheme

_BYTES = 4 * 64 * 64
_DATA = np.zeros((96, 64), np.float32) + np.arange(96, dtype=np.float32)[:, None]


def beside(folder: Path) -> Path:
    made = model([node("MatMul", "x", "w", out="y")], {"w": (64, 64)}, shape=("n", 64))
    onnx.save(
        made, folder / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0
    )
    assert (folder / "m.data").stat().st_size == _BYTES
    return folder / "m.onnx"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_more_than_one_message_holds_is_refused_before_it_is_read(
    scheme: Scheme, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a limit of 16 KiB, which the weights alone fill."""
    monkeypatch.setattr("compress.quantize.opened._LARGEST", _BYTES)
    with pytest.raises(InputError, match=r"m\.onnx: has 16,\d\d\d bytes .* just below 2 GiB"):
        quantize(beside(tmp_path), path=tmp_path / "small.onnx", scheme=scheme, data=_DATA)
    assert not (tmp_path / "small.onnx").exists()


def test_what_one_message_holds_is_quantized_as_one_file(tmp_path: Path) -> None:
    made = quantize(beside(tmp_path), path=tmp_path / "small.onnx", scheme="dynamic").artifact
    assert made is not None
    assert made.size_bytes == (tmp_path / "small.onnx").stat().st_size < 0.4 * _BYTES


def test_weights_that_share_one_place_of_a_file_count_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = beside(tmp_path)
    made = onnx.load(source, load_external_data=False)
    again = made.graph.initializer.add()
    again.CopyFrom(made.graph.initializer[0])
    again.name = "v"
    source.write_bytes(made.SerializeToString())
    monkeypatch.setattr("compress.quantize.opened._LARGEST", _BYTES + 1000)
    with pytest.raises(InputError, match=r"has 3\d,\d\d\d bytes"):
        quantize(source, path=tmp_path / "small.onnx", scheme="dynamic")
