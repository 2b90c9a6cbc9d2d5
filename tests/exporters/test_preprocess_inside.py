"""Raw samples in: scaling to the bit, resizing as Pillow does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from exporters.artifact import open_artifact
from exporters.errors import ExportError
from exporters.preprocess import file_takes_raw_samples, put_inside, takes_raw_samples
from exporters.run import run_batches
from exporters.session import open_session
from exporters.values import OnnxArtifact

SIDE = 24


def _identity(
    path: Path, *, channels: int = 3, opset: int = 20, dtype: int = TensorProto.FLOAT
) -> OnnxArtifact:
    shape = ["batch", channels, SIDE, SIDE]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["seen"])],
        "identity",
        [helper.make_tensor_value_info("images", dtype, shape)],
        [helper.make_tensor_value_info("seen", dtype, shape)],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return open_artifact(path)


def _images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_scaling_is_a_tasks_own_to_the_bit(tmp_path: Path) -> None:
    made = put_inside(
        _identity(tmp_path / "a.onnx"), path=tmp_path / "b.onnx", dtype="uint8", scale=1 / 255
    )
    assert [(spec.name, spec.dtype, spec.shape) for spec in made.inputs] == [
        ("images", "uint8", ("batch", 3, SIDE, SIDE))
    ]
    raw = _images(5, 3, SIDE, SIDE)
    seen = run_batches(open_session(made.path), raw, batch=2)
    np.testing.assert_array_equal(seen, raw.astype(np.float32) / np.float32(255))


def test_raw_floats_are_scaled_too(tmp_path: Path) -> None:
    made = put_inside(
        _identity(tmp_path / "a.onnx"), path=tmp_path / "b.onnx", dtype="float32", scale=0.5
    )
    assert made.inputs[0].dtype == "float32"
    raw = np.random.default_rng(0).normal(0, 9, (2, 3, SIDE, SIDE)).astype(np.float32)
    np.testing.assert_array_equal(run_batches(open_session(made.path), raw, batch=2), raw / 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(24, 24), (48, 48), (100, 77), (9, 300), (12, 7), (25, 23)])
def test_resizing_is_pillows_within_one_level(
    channels: int, size: tuple[int, int], tmp_path: Path
) -> None:
    made = put_inside(
        _identity(tmp_path / "a.onnx", channels=channels),
        path=tmp_path / "b.onnx",
        dtype="uint8",
        scale=1 / 255,
        size=(SIDE, SIDE),
    )
    assert made.inputs[0].shape == ("batch", channels, "height", "width")
    raw = _images(*size, channels)
    image = Image.fromarray(raw[..., 0] if channels == 1 else raw)
    expected = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    expected = expected.reshape(SIDE, SIDE, channels).transpose(2, 0, 1)
    seen = run_batches(
        open_session(made.path), np.ascontiguousarray(raw.transpose(2, 0, 1))[None], batch=1
    )[0]
    assert np.abs(np.rint(255 * seen) - expected).max() <= 1
    if size == (SIDE, SIDE):
        np.testing.assert_array_equal(np.rint(255 * seen), expected)


def test_an_older_file_is_raised_to_the_opset_of_antialiasing(tmp_path: Path) -> None:
    source = _identity(tmp_path / "a.onnx", opset=17)
    made = put_inside(
        source, path=tmp_path / "b.onnx", dtype="uint8", scale=1 / 255, size=(SIDE, SIDE)
    )
    assert (source.opset, made.opset) == (17, 18)
    assert run_batches(open_session(made.path), _images(1, 3, 50, 40), batch=1).shape == (
        1,
        3,
        SIDE,
        SIDE,
    )


def test_a_file_says_itself_what_it_takes(tmp_path: Path) -> None:
    source = _identity(tmp_path / "a.onnx")
    made = put_inside(source, path=tmp_path / "b.onnx", dtype="uint8", scale=1 / 255)
    for artifact, raw in ((source, False), (made, True)):
        assert takes_raw_samples(open_session(artifact.path)) is raw
        assert file_takes_raw_samples(artifact.path) is raw


def test_equal_files_give_equal_bytes_and_the_source_stays(tmp_path: Path) -> None:
    source = _identity(tmp_path / "a.onnx")
    before = source.path.read_bytes()
    one, two = (
        put_inside(source, path=tmp_path / name, dtype="uint8", scale=1 / 255, size=(SIDE, SIDE))
        for name in ("b.onnx", "c.onnx")
    )
    assert one.digest == two.digest
    assert source.path.read_bytes() == before


def test_a_network_that_takes_no_floats_is_refused(tmp_path: Path) -> None:
    source = _identity(tmp_path / "a.onnx", dtype=TensorProto.INT64)
    with pytest.raises(ExportError, match=r"takes images \(int64\).*preprocess: outside"):
        put_inside(source, path=tmp_path / "b.onnx", dtype="uint8", scale=1.0)
    assert not (tmp_path / "b.onnx").exists()
