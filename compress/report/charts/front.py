"""Models as points of what they cost and what they get right, and which of them none beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model. cost: latency in ms; accuracy in [0, 1].

    met: whether it meets its budgets, None where nobody asked. named: a label beside the dot; of
    many (the trials of a search) few need one, and those that are beaten are faint.
    """

    name: str
    index: int  # 0 teacher, 1 student, ...: the colour
    cost: float
    accuracy: float
    size_bytes: int
    met: bool | None = None
    named: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A model whose accuracy nobody knows: a mark on the bottom edge of each panel."""

    name: str
    cost: float
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A budget on an axis. low and high differ where the models drawn have limits of their own."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The budgets that the panels can show: at most this cost and size, at least this accuracy."""

    cost: Bound | None = None
    size_bytes: Bound | None = None
    accuracy: Bound | None = None


UNBOUND = Bounds()


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points that none beats: no worse in cost, accuracy and size, and better in one."""
    return tuple(p for p in points if not any(_beats(other, p) for other in points))


def _beats(other: Point, point: Point) -> bool:
    theirs = (other.cost, -other.accuracy, other.size_bytes)
    mine = (point.cost, -point.accuracy, point.size_bytes)
    return theirs != mine and all(a <= b for a, b in zip(theirs, mine, strict=True))
