"""A smaller file of the same computation."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from small_graphs import model, node, with_output_shape

from compress.quantize.compact import compact


def _copy(made: onnx.ModelProto) -> onnx.ModelProto:
    twin = onnx.ModelProto()
    twin.CopyFrom(made)
    return twin


def test_answers_inputs_outputs_and_weight_names_are_kept() -> None:
    made = model(
        [
            node("Conv", "x", "conv.weight_quantized", out="a", group=1, auto_pad="NOTSET"),
            node("Add", "a", "one", out="b"),
            node("Add", "b", "also_one", out="y"),
        ],
        {"conv.weight_quantized": (4, 2, 3, 3), "one": (1,), "also_one": (1,), "unused": (50,)},
        shape=("n", 2, 5, 5),
    )
    made.graph.initializer[2].CopyFrom(made.graph.initializer[1])
    made.graph.initializer[2].name = "also_one"
    made.doc_string = "note"
    made.graph.metadata_props.add(key="note", value="of a tool")
    small = _copy(made)
    compact(small)
    onnx.checker.check_model(small, full_check=True)
    assert [value.name for value in (*small.graph.input, *small.graph.output)] == ["x", "y"]
    assert [tensor.name for tensor in small.graph.initializer] == ["conv.weight", "b"]
    assert [list(n.input) for n in small.graph.node] == [
        ["x", "conv.weight"],
        ["a", "b"],
        ["c", "b"],
    ]
    assert not small.graph.node[0].attribute
    assert not small.graph.metadata_props
    images = {"x": np.random.default_rng(0).random((3, 2, 5, 5), dtype=np.float32)}
    np.testing.assert_array_equal(
        ReferenceEvaluator(made).run(None, images)[0],
        ReferenceEvaluator(small).run(None, images)[0],
    )


def test_the_order_of_nodes_does_not_matter() -> None:
    nodes = [
        node("Relu", "x", out="a"),
        node("Neg", "x", out="b"),
        node("Add", "a", "b", out="c"),
        node("Exp", "x", out="dead"),
        node("Mul", "c", "a", out="y"),
    ]
    one = model(nodes, {}, shape=(2,))
    two = model([nodes[1], nodes[3], nodes[0], nodes[2], nodes[4]], {}, shape=(2,))
    compact(one)
    compact(two)
    assert one.SerializeToString(deterministic=True) == two.SerializeToString(deterministic=True)
    assert [n.op_type for n in one.graph.node] == ["Relu", "Neg", "Add", "Mul"]


def test_only_the_zero_points_of_biases_go() -> None:
    made = model(
        [
            node("DequantizeLinear", "bias", "scale", "zero32", out="a"),
            node("DequantizeLinear", "weight", "scale", "zero8", out="b"),
            node("Add", "a", "b", out="c"),
            node("Add", "c", "x", out="y"),
        ],
        {"scale": ()},
        shape=(3,),
    )
    for name, kind in (("bias", np.int32), ("weight", np.int8)):
        made.graph.initializer.append(numpy_helper.from_array(np.arange(3, dtype=kind), name))
    for name, kind in (("zero32", np.int32), ("zero8", np.int8)):
        made.graph.initializer.append(numpy_helper.from_array(np.zeros((), dtype=kind), name))
    compact(with_output_shape(made))
    onnx.checker.check_model(made, full_check=True)
    assert [len(n.input) for n in made.graph.node if n.op_type == "DequantizeLinear"] == [2, 3]


def test_short_names_never_meet_those_that_are_kept() -> None:
    """100 intermediate names, beside an input `a` and a weight `ba` that keep theirs."""
    nodes = [node("Add", "a" if i == 0 else f"t{i}", "ba", out=f"t{i + 1}") for i in range(100)]
    made = model(nodes, {"ba": (2, 2)}, shape=(2, 2), out="t100")
    made.graph.input[0].name = "a"
    compact(with_output_shape(made))
    onnx.checker.check_model(made)
    names = [n.output[0] for n in made.graph.node]
    assert len(set(names)) == 100
    assert {"a", "ba"}.isdisjoint(names)
    assert max(len(name) for name in names[:-1]) == 2


def test_subgraphs_keep_their_names() -> None:
    def branch(name: str) -> onnx.GraphProto:
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])
        return helper.make_graph([node("Neg", "long_name", out=name)], name, [], [value])

    made = model(
        [
            node("Relu", "x", out="long_name"),
            node("ReduceMax", "x", out="top", keepdims=0),
            node("Cast", "top", out="choice", to=TensorProto.BOOL),
            node("If", "choice", out="y", then_branch=branch("t"), else_branch=branch("e")),
        ],
        {},
        shape=(2,),
    )
    made.graph.node[0].doc_string = "note"
    compact(made)
    onnx.checker.check_model(made)
    assert made.graph.node[0].output[0] == "long_name"
    assert made.graph.node[0].doc_string == ""
