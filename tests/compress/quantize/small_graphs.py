"""Graphs of a few nodes, written out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from exporters.artifact import open_artifact
from exporters.values import OnnxArtifact


def node(kind: str, *inputs: str, out: str, **attributes: object) -> NodeProto:
    """A named node with one output."""
    return helper.make_node(kind, list(inputs), [out], name=f"{kind}_{out}", **attributes)


def model(
    nodes: list[NodeProto],
    weights: dict[str, tuple[int, ...]],
    *,
    shape: tuple[int | str, ...],
    out: str = "y",
    opset: int = 20,
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """Input `x` of shape, output `out`, weights drawn from a normal distribution."""
    rng = np.random.default_rng(0)
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    stored = [
        numpy_helper.from_array(rng.normal(0, 0.3, dims).astype(kind), name)
        for name, dims in weights.items()
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", dtype, list(shape))],
        [helper.make_tensor_value_info(out, dtype, None)],
        stored,
    )
    opsets = [helper.make_opsetid("", opset)]
    return with_output_shape(helper.make_model(graph, opset_imports=opsets, ir_version=10))


def with_output_shape(made: onnx.ModelProto) -> onnx.ModelProto:
    """The same model; the checker wants the shape of its output."""
    inferred = onnx.shape_inference.infer_shapes(made)
    made.graph.output[0].CopyFrom(inferred.graph.output[0])
    return made


def conv_then_gemm(path: Path, **settings: int) -> OnnxArtifact:
    """x: (n, 8, 4, 4) -> Conv 8 to 8, Relu, Flatten, Gemm to 5 scores."""
    made = model(
        [
            node("Conv", "x", "w", "b", out="c"),
            node("Relu", "c", out="r"),
            node("Flatten", "r", out="f"),
            node("Gemm", "f", "h", out="y"),
        ],
        {"w": (8, 8, 3, 3), "b": (8,), "h": (32, 5)},
        shape=("n", 8, 4, 4),
        **settings,
    )
    onnx.save(made, path)
    return open_artifact(path)
