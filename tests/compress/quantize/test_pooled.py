"""Means over pixels become an operator that has an integer kernel, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from compress.quantize.fidelity import answers
from compress.quantize.opened import inferred
from compress.quantize.static import quantize_static
from exporters.artifact import open_artifact
from exporters.export import export

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(6, 8, 5, 7)).astype(np.float32)


def write(path: Path, nodes: list[NodeProto], rank: int, *, opset: int, axes: list[int]) -> Path:
    """x, of so many axes, of which the first is open -> nodes, with axes as a constant -> y."""
    shape: list[str | int] = ["n", 8, 5, 7, 2][:rank]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, _left(shape, axes, nodes[0]))],
        [numpy_helper.from_array(np.array(axes, np.int64), "axes")] if opset >= 18 else [],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def _left(shape: list[str | int], axes: list[int], node: NodeProto) -> list[str | int]:
    gone = {axis % len(shape) for axis in axes} if axes else set(range(len(shape)))
    keeps = all(one.i != 0 for one in node.attribute if one.name == "keepdims")
    left: list[str | int] = []
    for axis, size in enumerate(shape):
        if axis not in gone:
            left.append(size)
        elif keeps:
            left.append(1)
    return left


def mean(axes: list[int], *, opset: int, **more: int) -> NodeProto:
    if opset >= 18:
        return helper.make_node("ReduceMean", ["x", "axes"], ["y"], **more)
    return helper.make_node("ReduceMean", ["x"], ["y"], axes=axes, **more)


def kinds(path: Path, scratch: Path) -> list[str]:
    return [node.op_type for node in inferred(open_artifact(path), scratch).graph.node]


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2]])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_a_mean_over_all_pixels_gives_the_same_answers_as_a_pooling(
    opset: int, axes: list[int], keepdims: int, tmp_path: Path
) -> None:
    node = mean(axes, opset=opset, keepdims=keepdims)
    source = write(tmp_path / "float.onnx", [node], 4, opset=opset, axes=axes)
    model = inferred(open_artifact(source), tmp_path)
    wanted = ["GlobalAveragePool"] if keepdims else ["GlobalAveragePool", "Flatten"]
    assert [one.op_type for one in model.graph.node] == wanted
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, tmp_path / "pooled.onnx")
    found, exact = (answers(tmp_path / f"{n}.onnx", [{"x": IMAGES}]) for n in ("pooled", "float"))
    np.testing.assert_allclose(found, IMAGES.mean((2, 3)), atol=1e-6)
    np.testing.assert_allclose(found, exact, atol=1e-6)


@pytest.mark.parametrize(
    ("rank", "axes"),
    [(4, [1]), (4, [3]), (4, [1, 2, 3]), (3, [2]), (2, [1]), (5, [2, 3])],
)
def test_any_other_mean_stays(rank: int, axes: list[int], tmp_path: Path) -> None:
    node = mean(axes, opset=18)
    source = write(tmp_path / "float.onnx", [node], rank, opset=18, axes=axes)
    assert kinds(source, tmp_path) == ["ReduceMean"]


def test_a_mean_over_everything_stays(tmp_path: Path) -> None:
    node = helper.make_node("ReduceMean", ["x"], ["y"])
    assert kinds(write(tmp_path / "f.onnx", [node], 4, opset=13, axes=[]), tmp_path) == [
        "ReduceMean"
    ]


class Gated(nn.Module):
    """A convolution whose channels are weighed by their means (Hu et al., 2018), and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(8, 32, 3, padding=1)
        self.gate = nn.Conv2d(32, 32, 1)
        self.last = nn.Conv2d(32, 32, 3, padding=1)
        self.head = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.first(images))
        hidden = hidden * torch.sigmoid(self.gate(hidden.mean((2, 3), keepdim=True)))
        out: Tensor = self.head(torch.relu(self.last(hidden)).mean((2, 3)))
        return out


def test_gates_and_heads_take_integers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = export(Gated().eval(), torch.from_numpy(IMAGES), path=tmp_path / "float.onnx")
    assert [n.op_type for n in onnx.load(source.path).graph.node].count("ReduceMean") == 2
    made = quantize_static(
        source, path=tmp_path / "int8.onnx", calibration=[IMAGES], cpu_flags=("avx512_vnni",)
    )
    graph = onnx.load(made.path).graph
    maker = {name: node.op_type for node in graph.node for name in node.output}
    poolings = [node for node in graph.node if node.op_type == "GlobalAveragePool"]
    assert [maker[node.input[0]] for node in poolings] == 2 * ["DequantizeLinear"]
    assert not any(node.op_type == "ReduceMean" for node in graph.node)
    exact, found = (answers(path, [{"images": IMAGES}]) for path in (source.path, made.path))
    assert 0 < np.abs(found - exact).max() < 0.05 * np.ptp(exact)
