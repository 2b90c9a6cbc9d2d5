"""The smallest networks that gates are tried on: square matrices in a row, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


def save_matmuls(path: Path, *, layers: int, width: int = 32, seed: int = 0) -> None:
    """An ONNX file: x (n, width) times `layers` matrices w0, w1, ... drawn by seed."""
    rng = np.random.default_rng(seed)
    nodes, weights = [], []
    for layer in range(layers):
        weight = rng.standard_normal((width, width)).astype(np.float32) / width
        weights.append(numpy_helper.from_array(weight, f"w{layer}"))
        ends = ["x" if layer == 0 else f"h{layer - 1}", f"w{layer}"]
        nodes.append(helper.make_node("MatMul", ends, [f"h{layer}"]))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["n", width])],
        [value(f"h{layers - 1}", TensorProto.FLOAT, ["n", width])],
        weights,
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
