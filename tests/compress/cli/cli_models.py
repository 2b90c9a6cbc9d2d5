"""Tiny ONNX files for the tests of verbs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


def save_mlp(path: Path, *, width: int = 8, layers: int = 1, seed: int = 0) -> Path:
    """x: (batch, 8) -> y: (batch, 8) through `layers` square products with a wide middle."""
    rng = np.random.default_rng(seed)
    nodes, weights, name = [], [], "x"
    for layer in range(layers):
        for part, shape in (("a", (8, width)), ("b", (width, 8))):
            weight = f"layer{layer}.{part}"
            value = rng.standard_normal(shape, dtype=np.float32) / 8
            weights.append(numpy_helper.from_array(value, weight))
            last = layer == layers - 1 and part == "b"
            out = "y" if last else f"h{layer}{part}"
            nodes.append(helper.make_node("MatMul", [name, weight], [out]))
            name = out
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8])],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10, producer_name="tests"
    )
    save(model, path)
    return path
