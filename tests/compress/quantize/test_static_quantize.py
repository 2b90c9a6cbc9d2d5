"""Static int8 beside the contract: ranges, memory, refusals, silence, other processes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from small_graphs import conv_then_gemm, model, node

from compress.errors import DistilError, InputError
from compress.quantize.static import quantize_static
from exporters.artifact import open_artifact
from exporters.events import Event
from exporters.run import run_batches
from exporters.session import open_session

VNNI = ("avx512_vnni",)
Batch = NDArray[np.float32]


def batches(count: int = 4, size: int = 8) -> list[Batch]:
    rng = np.random.default_rng(3)
    return [rng.random((size, 8, 4, 4), dtype=np.float32) for _ in range(count)]


def test_the_input_scale_is_the_range_over_255(tmp_path: Path) -> None:
    """MinMax over all batches, 0 included: here -1 to 4, so (4 + 1) / 255 and zero point 51."""
    given = batches(3)
    given[0][0, 0, 0, 0], given[2][1, 2, 3, 3] = -1.0, 4.0
    artifact = conv_then_gemm(tmp_path / "m.onnx")
    quantize_static(artifact, path=tmp_path / "q.onnx", calibration=given, cpu_flags=VNNI)
    made = onnx.load(tmp_path / "q.onnx").graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.initializer}
    first = next(n for n in made.node if n.op_type == "QuantizeLinear" and n.input[0] == "x")
    assert stored[first.input[1]] == pytest.approx(5 / 255)
    assert stored[first.input[2]] == 51
    assert stored[first.input[2]].dtype == np.uint8


def test_for_tensorrt_every_zero_point_is_a_signed_zero(tmp_path: Path) -> None:
    """By hand: the input runs from -1 to 4, and 255 signed levels around 0 reach 4."""
    given = batches(3)
    given[0][0, 0, 0, 0], given[2][1, 2, 3, 3] = -1.0, 4.0
    artifact = conv_then_gemm(tmp_path / "m.onnx")
    quantize_static(
        artifact, path=tmp_path / "q.onnx", calibration=given, cpu_flags=VNNI, device="tensorrt"
    )
    made = onnx.load(tmp_path / "q.onnx").graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.initializer}
    rounding = [n for n in made.node if n.op_type == "QuantizeLinear"]
    first = next(n for n in rounding if n.input[0] == "x")
    assert stored[first.input[1]] == pytest.approx(4 / 127, rel=0.01)
    zeros = [stored[n.input[2]] for n in rounding]
    assert {(zero.dtype, int(zero)) for zero in zeros} == {(np.dtype(np.int8), 0)}


def test_weights_have_a_symmetric_scale_per_output_channel(tmp_path: Path) -> None:
    artifact = conv_then_gemm(tmp_path / "m.onnx")
    for flags, steps in ((VNNI, 127), (("avx2",), 64)):
        quantize_static(artifact, path=tmp_path / "q", calibration=batches(), cpu_flags=flags)
        before = {
            t.name: numpy_helper.to_array(t) for t in onnx.load(artifact.path).graph.initializer
        }
        after = {
            t.name: numpy_helper.to_array(t) for t in onnx.load(tmp_path / "q").graph.initializer
        }
        weight, largest = after["w"], np.abs(before["w"]).max(axis=(1, 2, 3))
        assert weight.dtype == np.int8
        assert np.abs(weight.astype(int)).max(axis=(1, 2, 3)).tolist() == [steps] * 8
        restored = weight * (largest / steps).reshape(8, 1, 1, 1)
        assert np.abs(restored - before["w"]).max() <= (largest / steps).max() * 0.5001


def test_a_bias_behind_the_last_product_is_added_in_float(tmp_path: Path) -> None:
    made = model(
        [node("MatMul", "x", "w", out="m"), node("Add", "m", "b", out="y")],
        {"w": (64, 10), "b": (10,)},
        shape=("n", 64),
    )
    onnx.save(made, tmp_path / "m.onnx")
    images = np.random.default_rng(0).random((256, 64), dtype=np.float32)
    artifact = open_artifact(tmp_path / "m.onnx")
    quantize_static(artifact, path=tmp_path / "q", calibration=[images], cpu_flags=VNNI)
    kinds = [n.op_type for n in onnx.load(tmp_path / "q").graph.node]
    assert kinds.count("QuantizeLinear") == 1
    exact, rounded = (
        run_batches(open_session(tmp_path / name), images, batch=32) for name in ("m.onnx", "q")
    )
    assert np.abs(exact - rounded).max() < 0.03 * np.abs(exact).max()


def test_batches_are_read_once_and_none_is_kept(tmp_path: Path) -> None:
    """At most the batch in hand is alive when the next one is asked for."""
    import weakref

    alive: list[weakref.ref[Batch]] = []
    most = 0

    def stream() -> Iterator[Batch]:
        nonlocal most
        for number in range(20):
            batch = np.full((4, 8, 4, 4), number / 20, dtype=np.float32)
            alive.append(weakref.ref(batch))
            yield batch
            del batch
            most = max(most, sum(ref() is not None for ref in alive))

    artifact = conv_then_gemm(tmp_path / "m.onnx")
    quantize_static(artifact, path=tmp_path / "q", calibration=stream(), cpu_flags=VNNI)
    assert len(alive) == 20
    assert most <= 1


def test_batch_size_does_not_change_the_file(tmp_path: Path) -> None:
    artifact, whole = conv_then_gemm(tmp_path / "m.onnx"), np.concatenate(batches())
    parts = [[whole[i : i + size] for i in range(0, len(whole), size)] for size in (1, 7, 32)]
    made = {
        quantize_static(artifact, path=tmp_path / "q", calibration=part, cpu_flags=VNNI).digest
        for part in parts
    }
    assert len(made) == 1


def test_same_bytes_from_another_process_with_another_hash_seed(tmp_path: Path) -> None:
    artifact = conv_then_gemm(tmp_path / "m.onnx")
    np.save(tmp_path / "batches.npy", np.stack(batches()))
    program = (
        "import sys, numpy; from pathlib import Path; from exporters.artifact import open_artifact;"
        "from compress.quantize.static import quantize_static;"
        "quantize_static(open_artifact(sys.argv[1]), path=Path(sys.argv[3]),"
        "calibration=list(numpy.load(sys.argv[2])), cpu_flags=('avx512_vnni',))"
    )
    paths = [str(tmp_path / name) for name in ("m.onnx", "batches.npy", "theirs")]
    done = subprocess.run(
        [sys.executable, "-c", program, *paths],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    ours = quantize_static(artifact, path=tmp_path / "ours", calibration=batches(), cpu_flags=VNNI)
    assert (tmp_path / "theirs").read_bytes() == ours.path.read_bytes()
    assert done.stdout == b""
    assert done.stderr == b""


def test_nothing_is_logged_and_the_root_logger_is_left_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), list(root.filters), root.level)
    artifact = conv_then_gemm(tmp_path / "m.onnx")
    with caplog.at_level(logging.DEBUG):
        quantize_static(artifact, path=tmp_path / "q", calibration=batches(), cpu_flags=VNNI)
    assert (list(root.handlers), list(root.filters), root.level) == before
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    events: list[Event] = []
    quantize_static(
        conv_then_gemm(tmp_path / "m.onnx"),
        path=tmp_path / "q",
        calibration=batches(3, size=5),
        cpu_flags=VNNI,
        on_event=events.append,
    )
    assert [event.kind for event in events] == ["start", *["progress"] * 3, "done"]
    assert [e.data["samples"] for e in events if e.kind == "progress"] == [5, 10, 15]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no samples to calibrate on"),
        ([np.zeros((0, 8, 4, 4), np.float32)], "no samples to calibrate on"),
        ([np.zeros((2, 8, 4, 4))], "is float64, not a float32 array"),
        ([[1.0]], "is list, not a float32 array"),
        ([np.zeros((2, 4, 4, 8), np.float32)], "has shape (2, 4, 4, 8), the input `x` takes"),
        ([np.full((2, 8, 4, 4), np.nan, np.float32)], "holds NaN or infinity"),
    ],
    ids=["none", "empty", "double", "list", "shape", "nan"],
)
def test_bad_samples_are_refused_and_the_earlier_file_stays(
    tmp_path: Path, given: list[Batch], said: str
) -> None:
    artifact = conv_then_gemm(tmp_path / "m.onnx")
    (tmp_path / "q").write_bytes(b"earlier")
    with pytest.raises(InputError) as caught:
        quantize_static(artifact, path=tmp_path / "q", calibration=given, cpu_flags=VNNI)
    assert said in str(caught.value)
    assert (tmp_path / "q").read_bytes() == b"earlier"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["m.onnx", "q"]


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_network_that_overflows_is_named(tmp_path: Path, earlier: int) -> None:
    """Also when only a later batch does."""
    artifact = conv_then_gemm(tmp_path / "m.onnx")
    given = [*batches(earlier), np.full((1, 8, 4, 4), 3e38, np.float32)]
    with pytest.raises(DistilError, match=r"tensor `\w+` of the network is NaN or inf") as caught:
        quantize_static(artifact, path=tmp_path / "q", calibration=given, cpu_flags=VNNI)
    assert f"after {8 * earlier} samples" in str(caught.value)
    assert not (tmp_path / "q").exists()


def test_models_without_an_int8_form_are_refused(tmp_path: Path) -> None:
    def attempt(name: str) -> str:
        artifact = open_artifact(tmp_path / name)
        with pytest.raises(DistilError) as caught:
            quantize_static(artifact, path=tmp_path / "q", calibration=batches(), cpu_flags=VNNI)
        return str(caught.value)

    conv_then_gemm(tmp_path / "old.onnx", opset=12)
    assert "has opset 12, too old" in attempt("old.onnx")
    conv_then_gemm(tmp_path / "half.onnx", dtype=TensorProto.FLOAT16)
    assert "is float16, not float32" in attempt("half.onnx")
    onnx.save(model([node("Exp", "x", out="y")], {}, shape=("n", 8, 4, 4)), tmp_path / "exp.onnx")
    assert "no operator of the model has an int8 form" in attempt("exp.onnx")
    quantize_static(
        conv_then_gemm(tmp_path / "m.onnx"),
        path=tmp_path / "i8",
        calibration=batches(),
        cpu_flags=VNNI,
    )
    assert "is int8, not float32" in attempt("i8")
