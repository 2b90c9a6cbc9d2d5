"""Each scheme of a recipe on a small text transformer, from the training of the run before."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.pipeline.run import run
from exporters.inspect import inspect_model

OPERATORS = {
    "static": {"com.microsoft.MatMulIntegerToFloat", "QuantizeLinear"},
    "dynamic": {"com.microsoft.MatMulIntegerToFloat", "DynamicQuantizeLinear"},
    "weight-only": {"com.microsoft.MatMulNBits"},
    "float16": {"Cast"},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPERATORS)
def test_a_scheme_that_is_asked_for_by_name_is_shipped(kind: str, sayings: Path) -> None:
    done = run(
        sayings / "recipe.yaml",
        out=sayings.parent / kind,
        cache=sayings.parent / "cache",
        overrides=[f"quantize={{kind: {kind}, max_drop: 10pp}}"],
    )
    operators = set(inspect_model(done.folder / "student.onnx").operators)
    assert operators >= OPERATORS[kind]
    decision = next(one for one in done.report.decisions if one.question == "quantize")
    assert f"`{kind}` was asked for" in decision.reason or "is faster" in decision.reason
    before, after = done.report.sizes[-2:]
    assert after.size_bytes < before.size_bytes
    costs = {cost.node: cost.loss for cost in done.report.node_costs}
    assert {f"encoder.encoder.layer.{layer}" for layer in range(2)} <= costs.keys()
    assert "Most costly to quantize" in (done.folder / "report.md").read_text()
