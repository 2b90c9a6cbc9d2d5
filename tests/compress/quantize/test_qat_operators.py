"""Each operator that gradients pass through answers as onnxruntime does."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper

from compress.errors import DistilError
from compress.quantize.qat_network import QuantizedNetwork
from compress.quantize.qat_operators import operators
from compress.quantize.qat_plan import plan_of

IMAGES = ("n", 4, 6, 6)
ROWS = ("n", 5)
Weights = dict[str, np.ndarray]
Case = tuple[list[NodeProto], Weights, tuple[int | str, ...]]


def _node(kind: str, *inputs: str, out: str = "y", **attributes: Any) -> NodeProto:
    return helper.make_node(kind, list(inputs), [out], **attributes)


def _ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def _floats(*shape: int, low: float = -1.0) -> np.ndarray:
    rng = np.random.default_rng(len(shape))
    return np.asarray(rng.uniform(low, 1.0, shape), dtype=np.float32)


def _plain(kind: str, **attributes: Any) -> Case:
    return [_node(kind, "x", **attributes)], {}, IMAGES


def _with(kind: str, value: np.ndarray, **attributes: Any) -> Case:
    return [_node(kind, "x", "w", **attributes)], {"w": value}, IMAGES


CASES: dict[str, Case] = {
    **{
        kind: _plain(kind)
        for kind in (
            "Abs",
            "Elu",
            "Erf",
            "Exp",
            "Flatten",
            "Gelu",
            "GlobalAveragePool",
            "GlobalMaxPool",
            "HardSigmoid",
            "HardSwish",
            "Identity",
            "LeakyRelu",
            "LogSoftmax",
            "Mish",
            "Neg",
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceSum",
            "Relu",
            "Sigmoid",
            "Softmax",
            "Softplus",
            "Tanh",
        )
    },
    "Gelu, tanh": _plain("Gelu", approximate="tanh"),
    "Softmax over channels": _plain("Softmax", axis=1),
    "Transpose": _plain("Transpose", perm=[0, 2, 3, 1]),
    "Dropout": _plain("Dropout"),
    "ReduceMean over pixels": _with("ReduceMean", _ints(2, 3), keepdims=0),
    "ReduceMean of nothing": _plain("ReduceMean", noop_with_empty_axes=1),
    "Add": _with("Add", _floats(4, 1, 1)),
    "Sub": _with("Sub", _floats(1)),
    "Mul": _with("Mul", _floats(4, 1, 1)),
    "Div": _with("Div", _floats(4, 1, 1, low=0.5)),
    "PRelu": _with("PRelu", _floats(4, 1, 1)),
    "Pow": ([_node("Pow", "x", "w")], {"w": np.float32(2.0)}, IMAGES),
    "Sqrt": ([_node("Abs", "x", out="a"), _node("Sqrt", "a")], {}, IMAGES),
    "Log": ([_node("Exp", "x", out="a"), _node("Log", "a")], {}, IMAGES),
    "Reciprocal": ([_node("Exp", "x", out="a"), _node("Reciprocal", "a")], {}, IMAGES),
    "Clip": (
        [_node("Clip", "x", "low", "high")],
        {"low": np.float32(-0.2), "high": np.float32(0.3)},
        IMAGES,
    ),
    "Clip above": ([_node("Clip", "x", "", "high")], {"high": np.float32(0.3)}, IMAGES),
    "Where": (
        [_node("Equal", "x", "x", out="same"), _node("Where", "same", "x", "w")],
        {"w": np.float32(1.0)},
        IMAGES,
    ),
    "Reshape": _with("Reshape", _ints(0, 2, -1)),
    "Reshape by its own size": (
        [
            _node("Shape", "x", out="s"),
            _node("Gather", "s", "zero", out="batch"),
            _node("Concat", "batch", "rest", out="shape", axis=0),
            _node("Cast", "shape", out="sized", to=TensorProto.INT64),
            _node("Reshape", "x", "sized"),
        ],
        {"zero": _ints(0), "rest": _ints(-1)},
        IMAGES,
    ),
    "Shape of a part": (
        [
            _node("Shape", "x", out="s", start=0, end=2),
            _node("Div", "s", "w", out="half"),
            _node("Cast", "half", to=TensorProto.FLOAT),
        ],
        {"w": _ints(2, 3)},
        IMAGES,
    ),
    "Unsqueeze, Squeeze": (
        [_node("Unsqueeze", "x", "axes", out="u"), _node("Squeeze", "u", "last")],
        {"axes": _ints(-1, 1), "last": _ints(-1)},
        IMAGES,
    ),
    "Expand": ([_node("Expand", "x", "w")], {"w": _ints(3, 1, 1, 1, 1)}, IMAGES),
    "Gather": _with("Gather", _ints(3, -4), axis=1),
    "Slice": (
        [_node("Slice", "x", "from", "to", "axes", "steps")],
        {"from": _ints(1, -1), "to": _ints(99, -99), "axes": _ints(1, 3), "steps": _ints(2, -1)},
        IMAGES,
    ),
    "Slice without steps": (
        [_node("Slice", "x", "from", "to", "axes")],
        {"from": _ints(-3), "to": _ints(5), "axes": _ints(2)},
        IMAGES,
    ),
    "Split, Concat": (
        [
            helper.make_node("Split", ["x", "sizes"], ["a", "b"], axis=1),
            _node("Concat", "b", "a", axis=1),
        ],
        {"sizes": _ints(1, 3)},
        IMAGES,
    ),
    "Split in parts": (
        [
            helper.make_node("Split", ["x"], ["a", "b", "c", "d"], axis=2, num_outputs=4),
            _node("Concat", "d", "a", axis=2),
        ],
        {},
        ("n", 4, 7, 6),
    ),
    "Split in as many as it gives": (
        [helper.make_node("Split", ["x"], ["a", "b"], axis=1), _node("Concat", "b", "a", axis=1)],
        {},
        IMAGES,
    ),
    "Pad": _with("Pad", _ints(0, 0, 1, 2, 0, 0, 3, 0)),
    "Pad, reflected": _with("Pad", _ints(0, 0, 1, 2, 0, 0, 3, 0), mode="reflect"),
    "Pad, edge": _with("Pad", _ints(0, 0, 1, 2, 0, 0, 3, 0), mode="edge"),
    "Constant": (
        [
            _node("Constant", out="c", value=numpy_helper.from_array(_floats(4, 1, 1))),
            _node("Constant", out="two", value_float=2.0),
            _node("Mul", "x", "c", out="m"),
            _node("Mul", "m", "two"),
        ],
        {},
        IMAGES,
    ),
    "MaxPool": _plain(
        "MaxPool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1], ceil_mode=1
    ),
    "AveragePool": _plain("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "AveragePool, padding counted": _plain(
        "AveragePool", kernel_shape=[3, 3], pads=[1, 0, 1, 1], count_include_pad=1
    ),
    "Conv": (
        [_node("Conv", "x", "w", "b", pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2])],
        {"w": _floats(8, 4, 3, 3), "b": _floats(8)},
        IMAGES,
    ),
    "Conv, depthwise": (
        [_node("Conv", "x", "w", group=4, pads=[1, 1, 1, 1])],
        {"w": _floats(8, 1, 3, 3)},
        IMAGES,
    ),
    "Conv in one dimension": ([_node("Conv", "x", "w")], {"w": _floats(3, 4, 3)}, ("n", 4, 9)),
    "ConvTranspose": (
        [_node("ConvTranspose", "x", "w", "b", strides=[2, 2], pads=[1, 1, 1, 1])],
        {"w": _floats(4, 3, 3, 3), "b": _floats(3)},
        IMAGES,
    ),
    "Gemm": (
        [_node("Gemm", "x", "w", "b", transB=1, alpha=0.5, beta=2.0)],
        {"w": _floats(3, 5), "b": _floats(3)},
        ROWS,
    ),
    "Gemm, plain": ([_node("Gemm", "x", "w", "b")], {"w": _floats(5, 3), "b": _floats(3)}, ROWS),
    "MatMul": ([_node("MatMul", "x", "w")], {"w": _floats(6, 3)}, IMAGES),
    "BatchNormalization": (
        [_node("BatchNormalization", "x", "s", "b", "m", "v", epsilon=1e-3)],
        {"s": _floats(4), "b": _floats(4), "m": _floats(4), "v": _floats(4, low=0.2)},
        IMAGES,
    ),
    "LayerNormalization": (
        [_node("LayerNormalization", "x", "s", "b", axis=-1)],
        {"s": _floats(6), "b": _floats(6)},
        IMAGES,
    ),
}


OPSETS = {"Split in as many as it gives": 13}  # from 18 on the number is an attribute


def _model(case: Case, *, opset: int = 22) -> onnx.ModelProto:
    nodes, weights, shape = case
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _network(model: onnx.ModelProto) -> QuantizedNetwork:
    return QuantizedNetwork(plan_of(model), model=model.SerializeToString(), original={})


@pytest.mark.parametrize("name", CASES)
def test_an_operator_answers_as_onnxruntime_does(name: str) -> None:
    model = _model(CASES[name], opset=OPSETS.get(name, 22))
    shape = [3 if isinstance(size, str) else size for size in CASES[name][2]]
    x = np.random.default_rng(5).normal(0, 1, shape).astype(np.float32)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, {"x": x})[0]
    with torch.no_grad():
        answered = _network(model)(torch.from_numpy(x)).numpy()
    assert answered.shape == expected.shape
    np.testing.assert_allclose(answered, expected, rtol=2e-5, atol=2e-6)


def test_every_operator_has_a_case() -> None:
    shown = {node.op_type for nodes, _, _ in CASES.values() for node in nodes}
    assert shown == operators().keys()


def test_an_operator_without_a_gradient_is_named() -> None:
    with pytest.raises(DistilError, match=r"no gradient passes through CumSum.*kind: static"):
        _network(_model(([_node("CumSum", "x", "w")], {"w": _ints(1)}, IMAGES)))


@pytest.mark.parametrize(
    ("kind", "attributes", "said"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}, "auto_pad"),
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}, "unequal padding"),
        ("Cast", {"to": TensorProto.FLOAT16}, r"Cast to FLOAT16.*kind: static"),
        ("Cast", {"to": TensorProto.STRING}, r"Cast to STRING.*kind: static"),
    ],
)
def test_a_form_that_torch_lacks_is_named(kind: str, attributes: Any, said: str) -> None:
    network = _network(_model(_plain(kind, **attributes)))
    with pytest.raises(DistilError, match=said):
        network(torch.zeros(2, 4, 6, 6))


def test_weights_of_float_operators_are_trained_and_constants_are_not() -> None:
    case = CASES["BatchNormalization"]
    network = _network(_model(case))
    assert sorted(p.shape[0] for p in network.parameters()) == [4, 4]  # scale and shift
