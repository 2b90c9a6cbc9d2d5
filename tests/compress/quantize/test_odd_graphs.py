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


@pytest.mark.parametrize("opset", [13, 14])
def test_a_transformer_of_an_older_opset_is_calibrated(opset: int, tmp_path: Path) -> None:
    source = _saved(_two_products("Softmax", opset=opset), tmp_path)

    made = quantize(
        source, path=tmp_path / "small.onnx", scheme="static", data=_samples(), max_drop=1.0,
        timed=False,
    )  # fmt: skip

    assert made.artifact is not None
