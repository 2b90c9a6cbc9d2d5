"""ONNX models of a few hundred bytes, made by hand: no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper


def conv_model(*, opset: int = 20) -> onnx.ModelProto:
    """images (batch, 3, 8, 8) -> pooled (batch, 4, 1, 1); 108 weights."""
    values = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    weight = helper.make_tensor("w", TensorProto.FLOAT, values.shape, values.tobytes(), raw=True)
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["hidden"], name="conv"),
        helper.make_node("Relu", ["hidden"], ["active"], name="relu"),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"], name="pool"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", 4, 1, 1])],
        [weight],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def linear_model(weight: np.ndarray, *, batch: int | str = "batch") -> onnx.ModelProto:
    """scores = features @ weight."""
    stored = helper.make_tensor(
        "w", TensorProto.FLOAT, weight.shape, weight.astype(np.float32).tobytes(), raw=True
    )
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "w"], ["scores"], name="matmul")],
        "linear",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, weight.shape[0]])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, weight.shape[1]])],
        [stored],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def save_external(
    path: Path,
    *,
    location: str = "weights.data",
    offset: str | None = None,
    length: str | None = None,
    extra: dict[str, str] | None = None,
) -> Path:
    """conv_model with its weight in another file, which is not written here."""
    model = conv_model()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    pairs = {"location": location, "offset": offset, "length": length, **(extra or {})}
    for key, value in pairs.items():
        if value is not None:
            weight.external_data.add(key=key, value=value)
    return save(model, path)


def weight_bytes() -> bytes:
    """What belongs in the external file: 432 bytes."""
    return bytes(conv_model().graph.initializer[0].raw_data)
