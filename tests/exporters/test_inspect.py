"""Taking stock of ONNX files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporters.errors import RefusedModel
from exporters.inspect import Change, compare_models, inspect_model


def _model(
    nodes: list[tuple[str, list[str], str, dict[str, object]]],
    weights: dict[str, tuple[int, ...]],
    *,
    shape: list[int | str],
    opset: int = 20,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        [
            helper.make_node(kind, inputs, [out], name=out, **attributes)
            for kind, inputs, out, attributes in nodes
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.ones(dims, dtype=np.float32), name)
            for name, dims in weights.items()
        ],
    )
    opsets = [helper.make_opsetid("", opset)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    inferred = onnx.shape_inference.infer_shapes(made)  # the checker wants the output's shape
    made.graph.output[0].CopyFrom(inferred.graph.output[0])
    return made


def classifier(batch: int | str = "n", side: int | str = 6) -> onnx.ModelProto:
    """Conv 2 to 4 (3x3), Relu, mean, Gemm to 5."""
    return _model(
        [
            ("Conv", ["x", "w", "b"], "c", {}),
            ("Relu", ["c"], "r", {}),
            ("GlobalAveragePool", ["r"], "p", {}),
            ("Flatten", ["p"], "f", {}),
            ("Gemm", ["f", "h"], "y", {"transB": 1}),
        ],
        {"w": (4, 2, 3, 3), "b": (4,), "h": (5, 4)},
        shape=[batch, 2, side, side],
    )


def test_counts_of_a_small_classifier(tmp_path: Path) -> None:
    onnx.save(classifier(), tmp_path / "m.onnx")
    found = inspect_model(tmp_path / "m.onnx")
    assert found.operators == {
        "Conv": 1,
        "Flatten": 1,
        "Gemm": 1,
        "GlobalAveragePool": 1,
        "Relu": 1,
    }
    assert found.parameters == 72 + 4 + 20
    assert found.macs == 4 * 16 * 18 + 20
    assert found.tensor_bytes == {"float32": 4 * 96}
    assert [(t.name, t.shape, t.dtype, t.size_bytes) for t in found.largest(2)] == [
        ("w", (4, 2, 3, 3), "float32", 288),
        ("h", (5, 4), "float32", 80),
    ]
    assert found.size_bytes == (tmp_path / "m.onnx").stat().st_size
    assert found.overhead_bytes == found.size_bytes - 384
    assert (found.precision, found.opset, found.external_bytes) == ("float32", 20, 0)


def test_weights_in_constant_nodes_are_parameters_too(tmp_path: Path) -> None:
    model = classifier()
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    del model.graph.initializer[:]
    for place, (name, tensor) in enumerate(weights.items()):
        tensor.name = ""
        node = helper.make_node("Constant", [], [name], name=name, value=tensor)
        model.graph.node.insert(place, node)
    onnx.save(model, tmp_path / "m.onnx")
    found = inspect_model(tmp_path / "m.onnx")
    assert (found.parameters, found.precision) == (72 + 4 + 20, "float32")


@pytest.mark.parametrize("batch", [1, "n"])
def test_macs_are_those_of_one_sample(tmp_path: Path, batch: int | str) -> None:
    onnx.save(classifier(batch), tmp_path / "m.onnx")
    assert inspect_model(tmp_path / "m.onnx").macs == 1172


def test_macs_are_unknown_where_a_shape_is(tmp_path: Path) -> None:
    onnx.save(classifier(side="side"), tmp_path / "m.onnx")
    assert inspect_model(tmp_path / "m.onnx").macs is None


@pytest.mark.parametrize(
    ("nodes", "weights", "shape", "macs"),
    [
        ([("MatMul", ["x", "w"], "y", {})], {"w": (8, 3)}, ["n", 7, 8], 7 * 8 * 3),
        ([("MatMul", ["x", "x"], "y", {})], {}, ["n", 4, 4], 64),
        ([("ConvTranspose", ["x", "w"], "y", {})], {"w": (2, 3, 2, 2)}, ["n", 2, 5, 5], 50 * 12),
        ([("Conv", ["x", "w"], "y", {"group": 4})], {"w": (4, 1, 3)}, ["n", 4, 10], 4 * 8 * 3),
        ([("Gemm", ["x", "w"], "y", {"transA": 1})], {"w": (6, 2)}, [6, 5], 5 * 6 * 2),
        ([("Relu", ["x"], "y", {})], {}, ["n", 3], 0),
        ([("Einsum", ["x", "w"], "y", {"equation": "ni,ij->nj"})], {"w": (3, 2)}, ["n", 3], None),
    ],
    ids=["matmul", "attention", "transposed", "depthwise", "gemm", "none", "einsum"],
)
def test_macs_by_operator(
    tmp_path: Path,
    nodes: list[tuple[str, list[str], str, dict[str, object]]],
    weights: dict[str, tuple[int, ...]],
    shape: list[int | str],
    macs: int | None,
) -> None:
    onnx.save(_model(nodes, weights, shape=shape), tmp_path / "m.onnx")
    assert inspect_model(tmp_path / "m.onnx").macs == macs


def test_external_data_count(tmp_path: Path) -> None:
    onnx.save(
        classifier(),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
    )
    found = inspect_model(tmp_path / "m.onnx")
    sizes = {name: (tmp_path / name).stat().st_size for name in ("m.onnx", "m.data")}
    assert found.external_bytes == sizes["m.data"]
    assert found.size_bytes == sum(sizes.values())
    assert found.tensor_bytes == {"float32": 384}
    assert found.macs == 1172


def test_what_grew(tmp_path: Path) -> None:
    onnx.save(classifier(), tmp_path / "a.onnx")
    grown = _model(
        [("Conv", ["x", "w"], "c", {}), ("Relu", ["c"], "r", {}), ("Relu", ["r"], "y", {})],
        {"w": (8, 2, 3, 3)},
        shape=["n", 2, 6, 6],
        opset=21,
    )
    onnx.save(grown, tmp_path / "b.onnx")
    changes = compare_models(inspect_model(tmp_path / "a.onnx"), inspect_model(tmp_path / "b.onnx"))
    assert changes.tensors == (
        Change(name="w", before=288, after=576),
        Change(name="b", before=16, after=0),
        Change(name="h", before=80, after=0),
    )
    assert [(c.name, c.difference) for c in changes.operators] == [
        ("Relu", 1),
        ("Flatten", -1),
        ("Gemm", -1),
        ("GlobalAveragePool", -1),
    ]
    assert changes.macs == Change(name="macs", before=1172, after=8 * 16 * 18)
    assert changes.opset.difference == 1
    assert not changes.is_empty


def test_a_file_and_its_copy_differ_in_nothing(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        onnx.save(classifier(), tmp_path / name)
    assert compare_models(
        inspect_model(tmp_path / "a.onnx"), inspect_model(tmp_path / "b.onnx")
    ).is_empty


def test_a_bad_file_is_refused_as_everywhere(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(RefusedModel, match="empty file"):
        inspect_model(tmp_path / "m.onnx")


def test_torch_is_not_imported() -> None:
    program = "import sys, exporters.inspect, exporters.macs; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0
