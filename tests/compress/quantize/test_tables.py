"""Tables that are looked up by row: embeddings, and masks by position, which hold infinities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from small_graphs import model, node, with_output_shape

from compress import quantize
from compress.quantize.fidelity import answers
from compress.quantize.kept import kept_in_float
from compress.quantize.mixed import Plan
from compress.quantize.opened import inferred
from compress.quantize.values import Scheme
from exporters.artifact import open_artifact

_ROWS, _WIDTH = 32, 64


def feeds(count: int) -> dict[str, NDArray[np.generic]]:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((count, _WIDTH)).astype(np.float32)
    return {"x": rows, "at": rng.integers(0, _ROWS, count)}


def masked(folder: Path, hole: float) -> Path:
    """Scores of (x + row of `table`), and of place n the first n + 1 alone: `mask` has holes."""
    made = model(
        [
            node("Gather", "table", "at", out="row"),
            node("Add", "x", "row", out="sum"),
            node("MatMul", "sum", "w", out="scores"),
            node("Gather", "mask", "at", out="holes"),
            node("Add", "scores", "holes", out="left"),
            node("Softmax", "left", out="y"),
        ],
        {"table": (_ROWS, _WIDTH), "w": (_WIDTH, _WIDTH), "mask": (_ROWS, _WIDTH)},
        shape=("n", _WIDTH),
    )
    places = np.where(np.tri(_ROWS, _WIDTH, dtype=bool), 0.0, hole).astype(np.float32)
    made.graph.initializer[2].CopyFrom(numpy_helper.from_array(places, "mask"))
    made.graph.input.append(helper.make_tensor_value_info("at", TensorProto.INT64, ["n"]))
    onnx.save(with_output_shape(made), folder / "float.onnx")
    return folder / "float.onnx"


@pytest.mark.parametrize("hole", [-np.inf, np.inf, np.nan])
@pytest.mark.parametrize("scheme", ["dynamic", "row"])
def test_a_table_of_infinities_stays_in_float_and_is_named(
    scheme: Scheme, hole: float, tmp_path: Path
) -> None:
    made = quantize(masked(tmp_path, hole), path=tmp_path / "small.onnx", scheme=scheme)
    assert made.artifact is not None
    stored = {t.name: t for t in onnx.load(made.artifact.path).graph.initializer}
    np.testing.assert_array_equal(
        numpy_helper.to_array(stored["mask"])[4], [0.0] * 5 + [hole] * (_WIDTH - 5)
    )
    assert stored["table_int8"].data_type == TensorProto.INT8
    assert [(one.node, one.operator, one.reason) for one in made.kept_float] == [
        ("mask", "Gather", "its table holds NaN or infinity, which have no integer")
    ]


def test_answers_behind_a_mask_are_kept(tmp_path: Path) -> None:
    source = masked(tmp_path, -np.inf)
    made = quantize(
        source, path=tmp_path / "small.onnx", scheme="static", data=feeds(768), max_drop=0.005,
        metric="cosine", cpu_flags=("avx2",), timed=False,
    )  # fmt: skip
    assert made.artifact is not None
    given = [feeds(64)]
    exact, rounded = answers(source, given), answers(made.artifact.path, given)
    assert np.abs(exact - rounded).mean() < 0.001
    np.testing.assert_array_equal(exact == 0, rounded == 0)


def test_finite_tables_are_all_rounded(tmp_path: Path) -> None:
    made = quantize(masked(tmp_path, -1e9), path=tmp_path / "small.onnx", scheme="row")
    assert made.kept_float == ()
    stored = onnx.load(tmp_path / "small.onnx").graph.initializer
    kinds = {t.name: t.data_type for t in stored if list(t.dims) == [_ROWS, _WIDTH]}
    assert kinds == {"table_int8": TensorProto.INT8, "mask_int8": TensorProto.INT8}


def test_tables_that_a_plan_leaves_are_named(tmp_path: Path) -> None:
    source = open_artifact(masked(tmp_path, -np.inf))
    kept = kept_in_float(inferred(source, tmp_path), Plan(tables=False))
    assert {one.node: one.reason for one in kept if one.operator == "Gather"} == {
        "mask": "its table holds NaN or infinity, which have no integer",
        "table": "int8 there costs too much accuracy",
    }
