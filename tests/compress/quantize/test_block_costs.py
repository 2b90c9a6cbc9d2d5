"""Costs of int8 by operator and by block: which operators share one, and what it costs together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from small_graphs import model, node

from compress.quantize.sensitivity import blocks_of, node_costs
from exporters.artifact import open_artifact

VNNI = ("avx512_vnni",)


def test_a_block_is_the_path_above_a_module_with_two_operators_or_more() -> None:
    names = [
        ("n0", "Conv", "stem.weight"),
        ("n1", "Conv", "features.0.conv1.weight"),
        ("n2", "Conv", "features.0.conv2.weight"),
        ("n3", "Conv", "features.1.conv1.weight"),
        ("n4", "Gemm", "head.weight"),
        ("n5", "MatMul", "onnx::MatMul_12"),
    ]
    assert blocks_of(names) == {"features.0": ("n1", "n2")}
    assert blocks_of(names[1:3]) == {}  # that is the whole file
    assert blocks_of([]) == {}


def test_a_block_costs_what_its_operators_cost_together(tmp_path: Path) -> None:
    convs = ("stem", "features.0.conv1", "features.0.conv2")
    nodes, last = [], "x"
    for place, name in enumerate(convs):
        nodes.append(node("Conv", last, f"{name}.weight", out=f"c{place}", kernel_shape=[1, 1]))
        nodes.append(node("Relu", f"c{place}", out=f"r{place}"))
        last = f"r{place}"
    nodes += [node("Flatten", last, out="flat"), node("Gemm", "flat", "head.weight", out="y")]
    weights = {f"{name}.weight": (8, 8, 1, 1) for name in convs} | {"head.weight": (128, 5)}
    onnx.save(model(nodes, weights, shape=("n", 8, 4, 4)), tmp_path / "m.onnx")
    rng = np.random.default_rng(0)
    batches = [rng.random((8, 8, 4, 4), dtype=np.float32) for _ in range(4)]
    costs = {
        cost.node: cost
        for cost in node_costs(
            open_artifact(tmp_path / "m.onnx"),
            calibration=batches,
            held_out=rng.random((64, 8, 4, 4), dtype=np.float32),
            cpu_flags=VNNI,
        )
    }
    block = costs["features.0"]
    assert (block.operator, block.operators, block.samples) == ("block", 2, 64)
    inside = [costs[f"features.0.{name}.weight"] for name in ("conv1", "conv2")]
    assert [cost.operators for cost in inside] == [1, 1]
    assert block.loss > 0
    assert block.loss > 0.3 * max(cost.loss for cost in inside)
    assert sorted((c.loss for c in costs.values()), reverse=True) == pytest.approx(
        [c.loss for c in costs.values()]
    )
