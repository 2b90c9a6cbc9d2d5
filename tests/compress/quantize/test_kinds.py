"""Schemes that a recipe asks for by name: as it is read, and what the file holds."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from pydantic import TypeAdapter, ValidationError
from small_transformer import ids, small_transformer

from compress.quantize.fidelity import changed_by_batch_mates
from compress.quantize.kinds import quantize_kind
from compress.recipe.nodes import QuantizeNode, SchemeQuantize, StaticQuantize

READ = TypeAdapter[QuantizeNode](QuantizeNode).validate_python


@pytest.mark.parametrize("kind", ["row", "dynamic"])
def test_a_row_scheme_does_not_depend_on_batch_mates(kind: str, tmp_path: Path) -> None:
    node = READ({"kind": kind})
    assert isinstance(node, SchemeQuantize)
    source = small_transformer(tmp_path / "float.onnx", outlier=8.0)
    made = quantize_kind(
        source,
        path=tmp_path / "q.onnx",
        kind=node.kind,
        calibration=[{"ids": ids(16)}],
        cpu_flags=("avx2",),
    )
    share = changed_by_batch_mates(made.path, [{"ids": ids(8, seed=3)}])
    assert (share == 0.0) is (kind == "row")


def test_bfloat16_stores_its_weights_in_bfloat16(tmp_path: Path) -> None:
    node = READ({"kind": "bfloat16"})
    assert isinstance(node, SchemeQuantize)
    source = small_transformer(tmp_path / "float.onnx")
    made = quantize_kind(source, path=tmp_path / "q.onnx", kind=node.kind, cpu_flags=())
    types = {tensor.data_type for tensor in onnx.load(made.path).graph.initializer}
    assert onnx.TensorProto.BFLOAT16 in types
    assert onnx.TensorProto.FLOAT16 not in types
    assert made.size_bytes < source.size_bytes


def test_how_ranges_are_found_is_read_and_checked() -> None:
    node = READ({"kind": "static", "calibration": "entropy"})
    assert isinstance(node, StaticQuantize)
    assert node.calibration == "entropy"
    for wrong in (
        {"kind": "static", "calibration": "average"},
        {"kind": "row", "calibration": "mse"},
    ):
        with pytest.raises(ValidationError, match="calibration"):
            READ(wrong)
