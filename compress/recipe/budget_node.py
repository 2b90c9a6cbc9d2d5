"""A budget. Apart from the other nodes: a gate needs no more of a recipe, and is to answer soon."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from compress.recipe.node import Node
from compress.recipe.units import (
    LimitText,
    Percent,
    PercentagePoints,
    Ratio,
    Speedup,
    Text,
)

Level = Literal["error", "warn", "off"]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Budget(Node):
    """A limit. Exactly one of the limit fields; which one fits depends on metric and vs."""

    id: Identifier
    metric: Text
    vs: Literal["teacher", "baseline", "pinned"] | None = None  # pinned: a second baseline
    on: Identifier = "cpu"  # cpu, cuda, tensorrt; the id of a target where there are some
    batch: int = Field(default=1, ge=1)
    threads: int = Field(default=1, ge=1)
    level: Level = "error"
    max: LimitText | None = None  # a size, time, percentage or count, in the metric's unit
    min: LimitText | None = None
    max_ratio: Ratio | None = None
    min_speedup: Speedup | None = None
    max_drop: PercentagePoints | None = None
    max_increase: Percent | None = None
    on_inconclusive: Literal["fail", "warn"] = "fail"
    test: Literal["noninferiority", "point"] = "noninferiority"  # of max_drop: proof, or the value
    per_slice: Text | None = None  # class, brightness, ..., a column's name, or all
    correction: Literal["holm", "benjamini-hochberg"] = "holm"  # what blocks, of many slices
    ratchet: bool = False  # `distil gate ratchet` tightens it; nothing does so by itself
