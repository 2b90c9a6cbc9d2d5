"""What a scheme of the search is as a node of the recipe."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from compress.pipeline.context import Context
from compress.pipeline.stages.schemes import scheme_node, schemes_of
from compress.recipe.nodes import NoQuantize, QuantizeNode, SchemeQuantize, StaticQuantize


def context(node: QuantizeNode, *, text: bool = False) -> Context:
    """All that the two functions look at."""
    given: Any = SimpleNamespace(
        recipe=SimpleNamespace(quantize=node), task=SimpleNamespace(padding=0 if text else None)
    )
    return cast("Context", given)


AUTO = StaticQuantize.model_validate(
    {"kind": "auto", "samples": 99, "max_drop": "3pp", "calibration": "mse"}
)
FLOAT16 = SchemeQuantize.model_validate({"kind": "float16"})


@pytest.mark.parametrize(
    ("node", "text", "schemes", "kind"),
    [
        (AUTO, False, ("int8", "float32"), "static"),
        (AUTO, True, ("row", "float32"), "row"),
        (FLOAT16, False, ("float16", "float32"), "float16"),
        (NoQuantize(kind="none"), False, ("float32",), "none"),
    ],
)
def test_schemes_are_what_the_recipe_asks_for_beside_float32(
    node: QuantizeNode, text: bool, schemes: tuple[str, ...], kind: str
) -> None:
    given = context(node, text=text)
    assert schemes_of(given) == schemes
    made = scheme_node(given, schemes[0])
    assert made.kind == kind
    assert scheme_node(given, "float32").kind == "none"
    if not isinstance(made, NoQuantize):
        assert made.max_drop == 1.0  # no float file may take its place
    if node is AUTO:
        assert isinstance(made, StaticQuantize | SchemeQuantize)
        assert made.samples == 99
    if node is AUTO and isinstance(made, StaticQuantize):
        assert made.calibration == "mse"
