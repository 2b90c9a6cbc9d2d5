"""One block of a transformer as an ONNX graph: embeddings, attention, feed-forward, mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from exporters.artifact import open_artifact
from exporters.values import OnnxArtifact

VOCABULARY, WIDTH, INNER = 64, 32, 64


def small_transformer(
    path: Path, *, outlier: float = 1.0, table_outlier: float = 1.0
) -> OnnxArtifact:
    """ids: (batch, tokens) int64 -> (batch, 32). outlier: multiplies one channel of the first
    normalisation, whose readers take it back. table_outlier: one of each row of the table, which is
    taken back right behind it."""
    rng = np.random.default_rng(5)
    stored: dict[str, NDArray[np.generic]] = {
        "table": rng.normal(0, 1, (VOCABULARY, WIDTH)).astype(np.float32),
        "gamma": np.ones(WIDTH, np.float32),
        "beta": np.zeros(WIDTH, np.float32),
        "last_gamma": np.ones(WIDTH, np.float32),
        "axes": np.array([1], np.int64),
    }
    for name, shape in {
        "query": (WIDTH, WIDTH), "key": (WIDTH, WIDTH), "value": (WIDTH, WIDTH),
        "up": (WIDTH, INNER), "down": (INNER, WIDTH),
    }.items():  # fmt: skip
        stored[name] = rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32)
        stored[f"{name}_bias"] = rng.normal(0, 0.1, shape[1]).astype(np.float32)
    stored["gamma"][3] *= np.float32(outlier)
    for name in ("query", "key", "value"):
        stored[name][3] /= np.float32(outlier)
    nodes = [helper.make_node("Gather", ["table", "ids"], ["taken"])]
    if table_outlier != 1.0:
        stored["back"] = np.ones(WIDTH, np.float32)
        stored["back"][5] /= np.float32(table_outlier)
        stored["table"][:, 5] *= np.float32(table_outlier)
        nodes[0].output[0] = "row"
        nodes.append(helper.make_node("Mul", ["row", "back"], ["taken"]))
    nodes.append(helper.make_node("LayerNormalization", ["taken", "gamma", "beta"], ["x"]))
    for name in ("query", "key", "value"):
        nodes.append(helper.make_node("MatMul", ["x", name], [f"{name}_product"]))
        nodes.append(helper.make_node("Add", [f"{name}_product", f"{name}_bias"], [f"{name}_out"]))
    nodes += [
        helper.make_node("Transpose", ["key_out"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["query_out", "turned"], ["close"]),
        helper.make_node("Softmax", ["close"], ["attention"], axis=-1),
        helper.make_node("MatMul", ["attention", "value_out"], ["mixed"]),
        helper.make_node("Add", ["mixed", "taken"], ["summed"]),
        helper.make_node("LayerNormalization", ["summed", "last_gamma", "beta"], ["normal"]),
        helper.make_node("MatMul", ["normal", "up"], ["up_product"]),
        helper.make_node("Add", ["up_bias", "up_product"], ["up_out"]),
        helper.make_node("Gelu", ["up_out"], ["inner"]),
        helper.make_node("MatMul", ["inner", "down"], ["down_product"]),
        helper.make_node("Add", ["down_product", "down_bias"], ["down_out"]),
        helper.make_node("ReduceMean", ["down_out", "axes"], ["vector"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "block",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(made, path)
    return open_artifact(path)


def ids(rows: int, *, tokens: int = 6, seed: int = 0) -> NDArray[np.int64]:
    """(rows, tokens) ids."""
    return np.random.default_rng(seed).integers(0, VOCABULARY, (rows, tokens))
