"""Ranges from a stream: onnxruntime's thresholds, without keeping what they are made of."""

from __future__ import annotations

import contextlib
import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator
from small_graphs import conv_then_gemm
from small_transformer import ids, small_transformer

from compress.errors import InputError
from compress.quantize.ranges import METHODS, Method, observe_ranges, sample_rows
from compress.quantize.thresholds import mse_range

TENSORS = ("x", "c", "r")


def batches(count: int = 6) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(7)
    return [rng.normal(0, 1 + n, (4, 8, 4, 4)).astype(np.float32) for n in range(count)]


class Reader(CalibrationDataReader):
    def __init__(self, given: list[NDArray[np.float32]]) -> None:
        self.left: Iterator[NDArray[np.float32]] = iter(given)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self.left, None)
        return None if batch is None else {"x": batch}


def ours(method: Method, folder: Path) -> dict[str, tuple[float, float]]:
    artifact = conv_then_gemm(folder / "m.onnx")
    model = onnx.shape_inference.infer_shapes(onnx.load(artifact.path))
    found, _ = observe_ranges(
        model, batches(), inputs=artifact.inputs, tensors=TENSORS, scratch=folder, method=method
    )
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}


@pytest.mark.parametrize(
    ("method", "kind", "bins"),
    [
        ("minmax", CalibrationMethod.MinMax, 2**24),
        ("percentile", CalibrationMethod.Percentile, 2048),
        ("entropy", CalibrationMethod.Entropy, 128),
    ],
)
def test_ranges_are_those_of_onnxruntime_within_a_bin(
    method: Method, kind: CalibrationMethod, bins: int, tmp_path: Path
) -> None:
    found = ours(method, tmp_path)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = create_calibrator(
            str(tmp_path / "m.onnx"), None, str(tmp_path / "aug.onnx"), calibrate_method=kind
        )
        theirs.collect_data(Reader(batches()))
        expected = theirs.compute_data().data
    widest = ours("minmax", tmp_path)
    for name in TENSORS:
        width = 2 * max(map(abs, widest[name])) / bins
        low, high = (np.asarray(value).item() for value in expected[name].range_value)
        assert found[name] == pytest.approx((low, high), abs=width, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_no_range_leaves_the_extremes(method: Method, tmp_path: Path) -> None:
    widest, found = ours("minmax", tmp_path), ours(method, tmp_path)
    for name in TENSORS:
        assert widest[name][0] <= found[name][0] <= found[name][1] <= widest[name][1]


def test_the_order_of_batches_changes_nothing(tmp_path: Path) -> None:
    artifact = conv_then_gemm(tmp_path / "m.onnx")
    model = onnx.shape_inference.infer_shapes(onnx.load(artifact.path))

    def found(given: list[NDArray[np.float32]]) -> dict[str, tuple[NDArray[np.float32], ...]]:
        return observe_ranges(
            model, given, inputs=artifact.inputs, tensors=TENSORS, scratch=tmp_path, method="mse"
        )[0]

    assert found(batches()) == found(batches()[::-1])


def test_a_stream_that_can_be_read_once_is_refused_where_it_is_read_twice(tmp_path: Path) -> None:
    artifact = conv_then_gemm(tmp_path / "m.onnx")
    model = onnx.shape_inference.infer_shapes(onnx.load(artifact.path))
    with pytest.raises(InputError, match="reads the calibration samples twice"):
        observe_ranges(
            model, iter(batches()), inputs=artifact.inputs, tensors=TENSORS, scratch=tmp_path,
            method="entropy",
        )  # fmt: skip


def test_ranges_by_channel_are_those_of_the_values(tmp_path: Path) -> None:
    artifact = small_transformer(tmp_path / "m.onnx", outlier=100.0)
    model = onnx.shape_inference.infer_shapes(onnx.load(artifact.path))
    given = [{"ids": ids(4, seed=n)} for n in range(3)]
    whole, spread = observe_ranges(
        model, given, inputs=artifact.inputs, tensors=(), channels=("x",), scratch=tmp_path
    )
    rows = sample_rows(model, given, ["x"], inputs=artifact.inputs, scratch=tmp_path, most=1000)[
        "x"
    ]
    assert rows.shape == (72, 32)
    np.testing.assert_array_equal(spread["x"], (rows.min(axis=0), rows.max(axis=0)))
    assert whole["x"] == (rows.min(), rows.max())
    few = sample_rows(model, given, ["x"], inputs=artifact.inputs, scratch=tmp_path, most=5)["x"]
    assert len(few) == 5
    assert all((rows == row).all(axis=1).any() for row in few)


@given(st.integers(0, 2**31), st.floats(0.1, 50.0))
@settings(max_examples=15, deadline=None)
def test_mse_never_loses_to_the_whole_range(seed: int, outlier: float) -> None:
    """The squared error of 256 levels, counted on the values themselves."""
    values = np.random.default_rng(seed).normal(0, 1, 4000)
    values[0] = outlier * 4
    largest = float(np.abs(values).max())
    counts = np.histogram(values, 2048, range=(-largest, largest))[0]

    def error(low: float, high: float) -> float:
        step = (high - low) / 255
        zero = np.rint(-low / step)
        taken = (np.clip(np.rint(values / step) + zero, 0, 255) - zero) * step
        return float(np.square(values - taken).sum())

    low, high = float(values.min()), float(values.max())
    assert error(*mse_range(counts, largest, low, high)) <= 1.02 * error(min(low, 0), max(high, 0))


@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_grow_with_the_samples(method: Method, tmp_path: Path) -> None:
    """Peak of what numpy and Python hold: 8 and 128 batches; 120 kept inputs would be 2 MB."""
    artifact = conv_then_gemm(tmp_path / "m.onnx")
    model = onnx.shape_inference.infer_shapes(onnx.load(artifact.path))
    batch = np.random.default_rng(0).random((32, 8, 4, 4), dtype=np.float32)

    class Stream:
        def __init__(self, count: int) -> None:
            self.count = count

        def __iter__(self) -> Iterator[NDArray[np.float32]]:
            return (batch * np.float32(n % 3 + 1) for n in range(self.count))

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            observe_ranges(
                model, Stream(count), inputs=artifact.inputs, tensors=TENSORS, scratch=tmp_path,
                method=method,
            )  # fmt: skip
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # what is imported and cached on the way
    assert peak(128) < peak(8) + 200_000  # garbage not yet collected was 25 kB once
