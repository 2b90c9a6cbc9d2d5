"""Weights that lie behind Constant, Identity and Transpose, and operators in branches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from compress.quantize.api import quantize
from compress.quantize.fidelity import answers

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(0, 0.3, (48, 40)).astype(np.float32)
ROWS = RNG.normal(0, 1, (96, 48)).astype(np.float32)


def write(path: Path, nodes: list[NodeProto], stored: dict[str, np.ndarray]) -> Path:
    """x: (n, 48) -> nodes -> y."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 48])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 40])],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    opsets = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def _product(kind: str) -> tuple[list[NodeProto], dict[str, np.ndarray]]:
    last = helper.make_node("MatMul", ["x", "w"], ["y"])
    if kind == "Constant":
        value = numpy_helper.from_array(WEIGHT)
        return [helper.make_node("Constant", [], ["w"], value=value), last], {}
    if kind == "Transpose":
        turned = np.ascontiguousarray(WEIGHT.T)
        nodes = [helper.make_node("Transpose", ["t"], ["i"], perm=[1, 0])]
        return [*nodes, helper.make_node("Identity", ["i"], ["w"]), last], {"t": turned}
    return [helper.make_node("Identity", ["s"], ["w"]), last], {"s": WEIGHT}


@pytest.mark.parametrize("kind", ["Constant", "Identity", "Transpose"])
def test_a_weight_behind_such_a_node_is_rounded(kind: str, tmp_path: Path) -> None:
    source = write(tmp_path / "float.onnx", *_product(kind))
    exact = answers(source, [{"x": ROWS}])
    made = quantize(source, path=tmp_path / "q.onnx", scheme="weight-only-int8")
    assert made.artifact is not None
    assert made.kept_float == ()
    assert made.artifact.size_bytes < 0.5 * source.stat().st_size
    found = answers(made.artifact.path, [{"x": ROWS}])
    assert 0 < np.abs(found - exact).max() < 0.1  # of answers of about 2


def test_a_constant_with_two_names_is_kept_for_its_other_reader(tmp_path: Path) -> None:
    square = RNG.normal(0, 0.3, (48, 48)).astype(np.float32)
    nodes = [
        helper.make_node("Identity", ["s"], ["also"]),
        helper.make_node("Transpose", ["also"], ["turned"], perm=[1, 0]),
        helper.make_node("Transpose", ["also"], ["again"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["a"]),
        helper.make_node("MatMul", ["a", "also"], ["b"]),
        helper.make_node("MatMul", ["b", "again"], ["c"]),
        helper.make_node("MatMul", ["c", "w"], ["y"]),
    ]
    source = write(tmp_path / "float.onnx", nodes, {"s": square, "w": WEIGHT})
    exact = answers(source, [{"x": ROWS}])
    made = quantize(source, path=tmp_path / "q.onnx", scheme="weight-only-int8")
    assert made.artifact is not None
    found = answers(made.artifact.path, [{"x": ROWS}])
    assert 0 < np.abs(found - exact).max() < 0.05 * np.abs(exact).max()


def test_a_weight_that_is_computed_otherwise_is_named_so(tmp_path: Path) -> None:
    stored = {"s": WEIGHT, "two": np.float32(2), "first": WEIGHT[:, :1].repeat(48, axis=1)}
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["h"]),
        helper.make_node("Mul", ["s", "two"], ["w"]),
        helper.make_node("MatMul", ["h", "w"], ["y"]),
    ]
    source = write(tmp_path / "float.onnx", nodes, {k: np.asarray(v) for k, v in stored.items()})
    for scheme in ("weight-only-int8", "dynamic"):
        made = quantize(source, path=tmp_path / "q.onnx", scheme=scheme)
        (left,) = made.kept_float
        assert (left.node, left.operator) == ("w", "MatMul")
        assert left.reason == "its weight is computed in the graph from constants: export it as one"


def test_products_inside_a_branch_are_named(tmp_path: Path) -> None:
    def branch(name: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)
        node = helper.make_node("MatMul", ["h", "s"], [f"{name}_y"])
        return helper.make_graph([node], name, [], [out])

    first = RNG.normal(0, 0.3, (48, 48)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["h"]),
        helper.make_node("ReduceMax", ["h"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "zero"], ["positive"]),
        helper.make_node(
            "If", ["positive"], ["y"], then_branch=branch("then"), else_branch=branch("otherwise")
        ),
    ]
    stored = {"first": first, "s": WEIGHT, "zero": np.asarray(np.float32(0))}
    source = write(tmp_path / "float.onnx", nodes, stored)
    made = quantize(source, path=tmp_path / "q.onnx", scheme="weight-only-int8")
    assert made.artifact is not None
    assert [(one.node, one.operator) for one in made.kept_float] == [("s", "MatMul")] * 2
    assert "inside If" in made.kept_float[0].reason
