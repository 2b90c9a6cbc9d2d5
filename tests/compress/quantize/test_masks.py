"""Shallow masks become deep ones, where softmax alone reads them, and no answer changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from compress.quantize.api import quantize
from compress.quantize.fidelity import answers
from compress.quantize.masks import deepen
from compress.quantize.opened import inferred
from exporters.artifact import open_artifact

TOKENS, WIDTH = 6, 32
RNG = np.random.default_rng(0)
HIDDEN = RNG.normal(0, 0.3, size=(5, TOKENS, WIDTH)).astype(np.float32)
MASK = np.where(np.tri(TOKENS, dtype=bool), 0, -100).astype(np.float32)
HIDES = ~np.tri(TOKENS, dtype=bool)
SCALAR = np.float32(-100)


def attention(mask: list[NodeProto], stored: dict[str, np.ndarray]) -> onnx.ModelProto:
    """x: (n, tokens, width) -> its tokens, mixed by their products and a mask of that name -> y;
    odd: the scalar -100 added to x, which is no mask."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "turned"], ["scores"]),
        *mask,
        helper.make_node("Add", ["scores", "mask"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "x"], ["mixed"]),
        helper.make_node("Add", ["mixed", "scalar"], ["odd"]),
        helper.make_node("MatMul", ["mixed", "weight"], ["y"]),
    ]
    weight = RNG.normal(0, 0.3, (WIDTH, WIDTH)).astype(np.float32)
    stored = {"scalar": np.array(SCALAR), "weight": weight, **stored}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", TOKENS, WIDTH])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", TOKENS, WIDTH]),
            helper.make_tensor_value_info("odd", TensorProto.FLOAT, ["n", TOKENS, WIDTH]),
            helper.make_tensor_value_info("shares", TensorProto.FLOAT, ["n", TOKENS, TOKENS]),
        ],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def stored_mask() -> onnx.ModelProto:
    node = helper.make_node("Unsqueeze", ["table", "first"], ["mask"])
    return attention([node], {"table": MASK, "first": np.array([0], np.int64)})


def computed_mask() -> onnx.ModelProto:
    """As torch exports masked_fill; the scalar is also added to what is no mask."""
    node = helper.make_node("Where", ["hides", "scalar", "none"], ["mask"])
    return attention([node], {"hides": HIDES, "none": np.array(0, np.float32)})


def run(model: onnx.ModelProto, path: Path) -> list[np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(["y", "odd", "shares"], {"x": HIDDEN}))


@pytest.mark.parametrize("made", [stored_mask, computed_mask])
def test_what_is_masked_gets_zeros_and_every_answer_stays(
    made: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    model = made()
    before = run(model, tmp_path / "before.onnx")
    assert 0 < before[2][:, HIDES].max() < 1e-35
    deepen(model)
    after = run(model, tmp_path / "after.onnx")
    assert not after[2][:, HIDES].any()
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], before[1])  # the scalar elsewhere is what it was


@pytest.mark.parametrize("value", [-20.0, -5000.0, float(np.finfo(np.float32).min), -np.inf])
def test_other_masks_stay(value: float, tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["table"], ["mask"])
    model = attention([node], {"table": np.where(HIDES, np.float32(value), np.float32(0))})
    before = model.SerializeToString()
    deepen(model)
    assert model.SerializeToString() == before


def test_a_bias_and_a_softmax_that_ends_the_network_stay() -> None:
    bias = RNG.normal(size=(TOKENS, TOKENS)).astype(np.float32)
    bias[0, 1] = -100
    node = helper.make_node("Identity", ["table"], ["mask"])
    ending = stored_mask()
    del ending.graph.node[4:]  # of what comes behind the softmax, and the scalar's reader
    for model in (attention([node], {"table": bias}), ending):
        before = model.SerializeToString()
        deepen(model)
        assert model.SerializeToString() == before


def test_a_name_that_is_taken_is_not_given_again(tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["table"], ["mask"])
    model = attention([node], {"table": MASK, "table_deep": MASK})
    before = run(model, tmp_path / "before.onnx")
    deepen(model)
    assert [one.name for one in model.graph.initializer][-1] == "table_deep_"
    np.testing.assert_array_equal(run(model, tmp_path / "after.onnx")[0], before[0])


def test_a_quantized_file_has_the_deep_mask_alone(tmp_path: Path) -> None:
    path = tmp_path / "float.onnx"
    onnx.save(stored_mask(), path)
    opened = inferred(open_artifact(path), tmp_path)
    assert {"table", "table_deep"} <= {one.name for one in opened.graph.initializer}
    made = quantize(path, path=tmp_path / "int8.onnx", scheme="weight-only-int8")
    assert made.artifact is not None
    lowest = [
        float(numpy_helper.to_array(one).min())
        for one in onnx.load(made.artifact.path).graph.initializer
        if tuple(one.dims) == (TOKENS, TOKENS)
    ]
    assert lowest == [-10_000.0]
    exact, found = (answers(p, [{"x": HIDDEN}]) for p in (path, made.artifact.path))
    assert 0 < np.abs(found - exact).max() < 0.1
