"""Tiny ONNX files, made once per test session, and a pace that spends no time on precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.pace import Pace
from benchmarks.timing import WarmUp

MakeModel = Callable[..., Path]

HURRIED = Pace(
    warm_up=WarmUp(min_calls=5, min_ns=0, max_ns=20_000_000),
    block_ns=100_000,
    most_calls=20,
    rounds=2,
    limit_s=60,
)


@pytest.fixture(scope="session")
def hurried() -> Pace:
    return HURRIED


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """make_model(name, layers=1, batch="batch", seed=0): (batch, 4) -> MatMul ... -> (batch, 4)."""

    def make(name: str, *, layers: int = 1, batch: int | str = "batch", seed: int = 0) -> Path:
        rng = np.random.default_rng(seed)
        weights = [rng.standard_normal((4, 4)).astype(np.float32) for _ in range(layers)]
        graph = helper.make_graph(
            [
                helper.make_node("MatMul", [f"h{i}", f"w{i}"], [f"h{i + 1}"], name=f"n{i}")
                for i in range(layers)
            ],
            "tiny",
            [helper.make_tensor_value_info("h0", TensorProto.FLOAT, [batch, 4])],
            [helper.make_tensor_value_info(f"h{layers}", TensorProto.FLOAT, [batch, 4])],
            [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = tmp_path_factory.mktemp("models") / f"{name}.onnx"
        onnx.save(model, path)
        return path

    return make
