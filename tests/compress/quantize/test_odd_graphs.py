"""Quantized all the same: files and samples that other tools write, and that are a little odd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from small_graphs import model, node

from compress import quantize
from compress.quantize.fidelity import fidelity
from compress.quantize.values import Scheme

_WIDTH = 64


def _samples(count: int = 96) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, _WIDTH)).astype(np.float32)


def _two_products(between: str = "Relu", **settings: int) -> onnx.ModelProto:
    return model(
        [
            node("MatMul", "x", "w", out="h"),
            node(between, "h", out="a"),
            node("MatMul", "a", "v", out="y"),
        ],
        {"w": (_WIDTH, _WIDTH), "v": (_WIDTH, _WIDTH)},
        shape=("n", _WIDTH),
        **settings,
    )


def _saved(made: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(made, folder / "float.onnx")
    return folder / "float.onnx"


@pytest.mark.parametrize("scheme", ["dynamic", "weight-only-int8", "float16"])
def test_weights_that_are_listed_as_inputs_are_not_asked_for(
    scheme: Scheme, tmp_path: Path
) -> None:
    made = _two_products()
    for tensor in made.graph.initializer:
        kind = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        made.graph.input.append(kind)

    written = quantize(_saved(made, tmp_path), path=tmp_path / "small.onnx", scheme=scheme).artifact

    assert written is not None
    assert [spec.name for spec in written.inputs] == ["x"]
    assert written.precision != "float32"


@pytest.mark.parametrize("scheme", ["dynamic", "row", "weight-only-int8", "weight-only-int4"])
def test_parameters_are_weights_alone_however_they_are_stored(
    scheme: Scheme, tmp_path: Path
) -> None:
    """Scales were counted, and zeros that fill up a block; two weights in a byte were one."""
    made = model([node("MatMul", "x", "w", out="y")], {"w": (72, 40)}, shape=("n", 72))

    written = quantize(_saved(made, tmp_path), path=tmp_path / "small.onnx", scheme=scheme).artifact

    assert written is not None
    # Rows are scaled by two constants, of the kind that a float file has too.
    assert written.parameters == 72 * 40 + (2 if scheme == "row" else 0)
    assert written.precision == ("mixed" if scheme.startswith("weight-only") else "int8")


@pytest.mark.parametrize("opset", [13, 14])
def test_a_transformer_of_an_older_opset_is_calibrated(opset: int, tmp_path: Path) -> None:
    source = _saved(_two_products("Softmax", opset=opset), tmp_path)

    made = quantize(
        source, path=tmp_path / "small.onnx", scheme="static", data=_samples(), max_drop=1.0,
        timed=False,
    )  # fmt: skip

    assert made.artifact is not None


def _with_a_branch() -> onnx.ModelProto:
    """Two products, and between them a branch that reads a weight of its own from outside."""
    made = _two_products()
    shape = [_WIDTH, _WIDTH]
    weight = helper.make_tensor("u", TensorProto.FLOAT, shape, bytes(4 * _WIDTH**2), raw=True)
    chosen = helper.make_tensor("chosen", TensorProto.BOOL, [], [True])
    made.graph.initializer.extend([weight, chosen])
    branches = [
        helper.make_graph(
            [one], out, [], [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)]
        )
        for one, out in ((node("MatMul", "a", "u", out="t"), "t"), (node("Abs", "a", out="e"), "e"))
    ]
    then, otherwise = branches
    branch = node("If", "chosen", out="i", then_branch=then, else_branch=otherwise)
    made.graph.node.insert(2, branch)
    made.graph.node[3].input[0] = "i"
    return made


@pytest.mark.parametrize("scheme", ["dynamic", "weight-only-int4", "float16"])
def test_a_file_with_a_branch_keeps_no_weight_twice(scheme: Scheme, tmp_path: Path) -> None:
    source = _saved(_with_a_branch(), tmp_path)

    written = quantize(source, path=tmp_path / "small.onnx", scheme=scheme).artifact

    assert written is not None
    one = 4 * _WIDTH**2  # bytes; the branch keeps its own weight, but for float16
    assert written.size_bytes < 2 * one
    session = onnxruntime.InferenceSession(written.path)
    assert session.run(None, {"x": _samples(2)})[0].shape == (2, _WIDTH)


def test_a_product_in_float64_stays_as_it_is(tmp_path: Path) -> None:
    made = model(
        [
            node("MatMul", "x", "w", out="h"),
            node("Cast", "h", out="d", to=TensorProto.DOUBLE),
            node("MatMul", "d", "v", out="s"),
            node("Cast", "s", out="y", to=TensorProto.FLOAT),
        ],
        {"w": (_WIDTH, _WIDTH), "v": (_WIDTH, 2)},
        shape=("n", _WIDTH),
    )
    stored = onnx.numpy_helper.to_array(made.graph.initializer[1]).astype(np.float64)
    made.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(stored, "v"))

    written = quantize(
        _saved(made, tmp_path), path=tmp_path / "small.onnx", scheme="weight-only-int8"
    ).artifact

    assert written is not None
    onnxruntime.InferenceSession(written.path)


def test_a_mask_of_infinities_fits_float16(tmp_path: Path) -> None:
    made = _two_products()
    mask = np.where(np.eye(_WIDTH, dtype=bool), np.float32(-np.inf), 1).astype(np.float32)
    made.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(mask, "w"))

    written = quantize(
        _saved(made, tmp_path), path=tmp_path / "small.onnx", scheme="float16"
    ).artifact

    assert written is not None


def test_an_empty_batch_among_the_samples_is_passed_over(tmp_path: Path) -> None:
    every = _samples()
    batches = [every[:0], every[:0], *(every[at : at + 8] for at in range(0, 96, 8))]

    made = quantize(
        _saved(_two_products(), tmp_path), path=tmp_path / "small.onnx", scheme="row",
        data=batches, max_drop=1.0, timed=False,
    )  # fmt: skip

    assert made.artifact is not None


def test_samples_of_the_other_byte_order_are_read_as_they_are(tmp_path: Path) -> None:
    source = _saved(_two_products(), tmp_path)
    found = [
        quantize(
            source, path=tmp_path / "small.onnx", scheme="row", data=data, metric="cosine",
            timed=False,
        ).fidelity
        for data in (_samples(), _samples().astype(">f4"))
    ]  # fmt: skip

    assert found[0] == found[1]


def test_an_answer_that_is_not_finite_in_the_float_file_is_none_that_is_kept() -> None:
    exact = np.array([[np.nan, np.nan], [3.0, -np.inf]])

    kept = fidelity(exact, np.array([[1.0, 2.0], [3.0, -np.inf]]), metric="cosine")

    assert kept.value == pytest.approx(0.5)
    assert kept.drop == pytest.approx(0.5)
