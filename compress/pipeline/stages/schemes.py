"""What a plan of the search is in a recipe: its student, and the scheme that it is stored in."""

from __future__ import annotations

import re
from dataclasses import replace

from compress.pipeline.context import Context
from compress.recipe.nodes import NoQuantize, SchemeQuantize, StaticQuantize
from compress.search.space import FLOAT, Plan

ROW = "row"


def schemes_of(context: Context) -> tuple[str, ...]:
    """What a candidate may be stored as: float32, and beside it what the recipe asks for."""
    node = context.recipe.quantize
    if isinstance(node, NoQuantize):
        return (FLOAT,)
    if isinstance(node, SchemeQuantize):
        return (node.kind, FLOAT)
    # Texts by row: a range per batch would make an answer depend on the others in its batch.
    return ("int8", FLOAT) if context.task.padding is None else (ROW, FLOAT)


def scheme_node(context: Context, scheme: str) -> NoQuantize | StaticQuantize | SchemeQuantize:
    """The quantize node of a scheme. It is insisted on, whatever it costs: a candidate's place in
    the race rests on its accuracy in it, and on the speed and size that it was seen to have. A
    float file in its place would overstep the limits that this one keeps to."""
    node = context.recipe.quantize
    if scheme == FLOAT or isinstance(node, NoQuantize):
        return NoQuantize(kind="none")
    if isinstance(node, SchemeQuantize):
        return node.model_copy(update={"max_drop": 1.0})
    kept = {**node.model_dump(mode="json", include={"samples"}), "max_drop": "100pp"}
    if scheme == ROW:
        return SchemeQuantize.model_validate({"kind": ROW, **kept})
    if isinstance(node, StaticQuantize):
        kept["calibration"] = node.calibration
    return StaticQuantize.model_validate({"kind": "static", **kept})


def planned(context: Context, plan: Plan) -> Context:
    """The context of a run whose student is this plan."""
    changes = {"student": plan.student, "quantize": scheme_node(context, plan.scheme)}
    return replace(context, recipe=context.recipe.model_copy(update=changes))


def slug(plan: Plan) -> str:
    """Its name as part of a stage's."""
    return re.sub(r"[^a-z0-9]+", "-", plan.name.lower()).strip("-")[:70]
