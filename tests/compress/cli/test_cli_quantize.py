"""`distil quantize`: any feeds, exit codes, what it says, and nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from cli_models import save_mlp
from distil_command import Call, assert_one_line_error
from small_transformer import ids, small_transformer

STATIC = ("--scheme", "static", "--not-timed", "--metric", "cosine")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return small_transformer(tmp_path / "float.onnx").path


def _npz(folder: Path) -> str:
    np.savez(folder / "samples.npz", ids=ids(96))
    return "samples.npz"


def _npy(folder: Path) -> str:
    np.save(folder / "samples.npy", ids(96))
    return "samples.npy"


def _folder(folder: Path) -> str:
    (folder / "batches").mkdir()
    for number in range(12):
        np.savez(folder / "batches" / f"{number:02}.npz", ids=ids(8, seed=number))
    return "batches"


def _function(folder: Path) -> str:
    """Batches of texts of different lengths, made anew at each call."""
    (folder / "feeds.py").write_text(
        "import numpy as np\n"
        "def batches():\n"
        "    rng = np.random.default_rng(0)\n"
        "    for n in range(12):\n"
        "        yield {'ids': rng.integers(0, 64, (8, 4 + n % 3))}\n"
    )
    return "feeds.py:batches"


@pytest.mark.parametrize("write", [_npz, _npy, _folder, _function])
def test_any_feeds_will_do(write: object, source: Path, tmp_path: Path, call: Call) -> None:
    data = write(tmp_path)  # type: ignore[operator]
    result = call("quantize", source, "int8.onnx", "--data", data, *STATIC)
    assert result.code == 0, result.err
    assert (tmp_path / "int8.onnx").is_file()
    assert "kept: cosine 99." in result.out
    assert "in float: close (MatMul), mixed (MatMul): a product of two activations" in result.out


def test_json_holds_what_was_done(source: Path, tmp_path: Path, call: Call) -> None:
    data = _npz(tmp_path)
    call("quantize", source, "int8.onnx", "--data", data, *STATIC, "--json", "made.json")
    kept = json.loads((tmp_path / "made.json").read_text())
    assert (kept["verb"], kept["exit_code"]) == ("quantize", 0)
    assert kept["result"]["artifact"]["precision"] in {"int8", "mixed"}
    assert kept["result"]["fidelity"]["value"] > 0.99
    assert kept["result"]["batch_changes"] == 0.0


def test_the_calibration_that_is_asked_for_is_the_file_s(
    source: Path, tmp_path: Path, call: Call
) -> None:
    data = _npz(tmp_path)
    for method in ("minmax", "mse"):
        result = call(
            "quantize", source, f"{method}.onnx", "--data", data, *STATIC, "--calibration", method
        )
        assert result.code == 0, result.err
    before, after = (_steps(tmp_path / f"{method}.onnx") for method in ("minmax", "mse"))
    assert (after <= before).all()
    assert (after / before).min() < 0.99


def _steps(path: Path) -> np.ndarray:
    """Scales of the left sides of products."""
    graph = onnx.load(path).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return np.array([stored[n.input[1]] for n in graph.node if n.op_type == "QuantizeLinear"])


def test_no_acceptable_candidate_is_exit_1_and_no_file(
    source: Path, tmp_path: Path, call: Call
) -> None:
    arguments = ("--scheme", "weight-only-int4", "--not-timed", "--metric", "cosine")
    result = call(
        "quantize", source, "small.onnx", "--data", _npz(tmp_path), *arguments, "--max-drop", "0pp"
    )
    assert result.code == 1
    assert "small.onnx: not written: loses" in result.out
    assert not (tmp_path / "small.onnx").exists()


def test_the_smallest_file_is_taken_when_size_is_the_goal(
    source: Path, tmp_path: Path, call: Call
) -> None:
    result = call(
        "quantize", source, "small.onnx", "--data", _npz(tmp_path), "--goal", "size",
        "--not-timed", "--metric", "cosine", "--max-drop", "1pp",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "the smallest of those that keep the accuracy" in result.out


def test_no_smaller_file_is_exit_1_and_no_file(tmp_path: Path, call: Call) -> None:
    """Sixteen weights: their scales and zero points take more than they do."""
    save_mlp(tmp_path / "tiny.onnx", width=1)
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((96, 8), dtype=np.float32))
    result = call(
        "quantize", "tiny.onnx", "small.onnx", "--data", "rows.npy", "--goal", "size",
        "--not-timed", "--metric", "cosine", "--max-drop", "50pp",
    )  # fmt: skip
    assert result.code == 1
    assert "small.onnx: not written: none is smaller than the float file of" in result.out
    assert not (tmp_path / "small.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "absent.npz"), "absent.npz"),
        (("--data", "samples.npz", "--max-drop", "3"), "--max-drop"),
        (("--scheme", "auto"), "needs samples"),
        (("--data", "samples.npz", "--metric", "accuracy", *STATIC[:3]), "accuracy needs labels"),
        (("--data", "cut.npz"), "is no array file"),
        (("--data", "empty"), "holds no .npz or .npy file"),
    ],
)
def test_what_is_wrong_with_the_wish_is_exit_2(
    arguments: tuple[str, ...], said: str, source: Path, tmp_path: Path, call: Call
) -> None:
    _npz(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.npz").write_bytes((tmp_path / "samples.npz").read_bytes()[:-30])
    result = call("quantize", source, "int8.onnx", *arguments)
    assert result.code == 2
    assert_one_line_error(result, said)
    assert not (tmp_path / "int8.onnx").exists()
