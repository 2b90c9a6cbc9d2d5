"""Models by what they take and what they get right: latency in one panel, file size in the other.

Up and to the left is better. The stairs are the best accuracy that each latency or size buys; a
hollow dot does not meet all its budgets, and the tinted field meets those of its panel. Ticks on
the bottom edge are models that were timed and not trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from compress.report import quantities as q
from compress.report.charts.axis import Scale, bottom_axis, left_axis, padded, plain
from compress.report.charts.front import UNBOUND, Bound, Bounds, Point, Tick, front
from compress.report.charts.naming import Box, dot_box, place_name, text_box
from compress.report.charts.svg import (
    diamond,
    label,
    line,
    picture,
    series_class,
    tag,
    text_width,
)

_RADIUS, _TICK = 6.0, 7.0
_LEFT, _TOP, _BOTTOM = 62.0, 14.0, 306.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What the bottom of a panel says. words writes one value with its unit."""

    title: str
    value: Callable[[Point | Tick], float]
    bound: Callable[[Bounds], Bound | None]
    words: Callable[[float], str]
    unit: Callable[[Sequence[float]], tuple[str, float]]  # of all values: its name, how much it is


def _size_unit(values: Sequence[float]) -> tuple[str, float]:
    """KiB or MiB, by the middle of the range: sizes differ by factors."""
    middle = math.sqrt(max(1.0, min(values)) * max(1.0, *values))
    return ("file in MiB", 2.0**20) if middle >= 2**20 else ("file in KiB", 2.0**10)


LATENCY = Axis(
    title="Accuracy against latency",
    value=lambda point: point.cost,
    bound=lambda bounds: bounds.cost,
    words=q.milliseconds,
    unit=lambda values: ("p50 in ms", 1.0),
)
SIZE = Axis(
    title="Accuracy against file size",
    value=lambda point: float(point.size_bytes),
    bound=lambda bounds: bounds.size_bytes,
    words=q.size,
    unit=_size_unit,
)


def pareto(
    points: Sequence[Point],
    *,
    axis: Axis,
    width: float,
    key: str,
    bounds: Bounds = UNBOUND,
    ticks: Sequence[Tick] = (),
    about: str = "",
) -> str:
    """One panel. Its bottom axis is logarithmic when it spans much. ValueError for no point.

    about: what the title adds, as in "on validation".
    """
    if not points:
        raise ValueError("nothing to draw: there is no point")
    plane = _plane(points, ticks, axis, bounds, width)
    best = front(points)
    limits, taken = _limits(plane)
    dots, names = _dots(points, best, plane, taken, width)
    return picture(
        width,
        _BOTTOM + 38,
        _within(plane),
        left_axis(plane.up, left=_LEFT, right=width - 8, words=lambda v: f"{v * 100:.4g} %"),
        bottom_axis(
            plane.across, top=_TOP, bottom=_BOTTOM, words=plain, unit=plane.unit, at_most=5
        ),
        _stairs(best, plane),
        limits,
        *(_tick(one, plane) for one in ticks),
        *dots,
        *names,
        key=key,
        title=f"{axis.title} {about}".strip(),
        description=_description(points, ticks, best, plane),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plane:
    """A panel's two axes and its limits; the bottom one counts in a unit of its own."""

    axis: Axis
    across: Scale
    up: Scale
    unit: str
    factor: float
    cost: Bound | None
    accuracy: Bound | None

    def x(self, value: float) -> float:
        return self.across(value / self.factor)

    def place(self, point: Point) -> tuple[float, float]:
        return self.x(self.axis.value(point)), self.up(point.accuracy)


def _plane(
    points: Sequence[Point], ticks: Sequence[Tick], axis: Axis, bounds: Bounds, width: float
) -> _Plane:
    """Both axes hold every point and every limit."""
    cost = axis.bound(bounds)
    costs = [*map(axis.value, points), *map(axis.value, ticks), *_ends(cost)]
    accuracies = [p.accuracy for p in points] + _ends(bounds.accuracy)
    unit, factor = axis.unit(costs)
    least, most = min(costs) / factor, max(costs) / factor
    log = most >= 3 * least > 0
    low, high = (least / 1.8, most * 1.8) if log else padded(least, most, part=0.25)
    floor, ceiling = padded(min(accuracies), max(accuracies), part=0.18)
    return _Plane(
        axis=axis,
        across=Scale(low=low, high=high, start=_LEFT, end=width - 8, log=log),
        up=Scale(low=floor, high=ceiling, start=_BOTTOM, end=_TOP),
        unit=unit + (" (logarithmic)" if log else ""),
        factor=factor,
        cost=cost,
        accuracy=bounds.accuracy,
    )


def _dots(
    points: Sequence[Point], best: Sequence[Point], plane: _Plane, taken: list[Box], width: float
) -> tuple[list[str], list[str]]:
    """Dots, which say what they are under a mouse, and the names beside them."""
    taken += [dot_box(*plane.place(p), _RADIUS) for p in points]
    dots, names = [], []
    for point in sorted(points, key=lambda p: (p.named, p in best)):  # the last lies on top
        (x, y), kind = plane.place(point), series_class(point.index)
        beaten = not (point.named or point in best)
        look = " missed" if point.met is False else " faint" if beaten else ""
        mark = tag("circle", cx=x, cy=y, r=_RADIUS, class_=f"bubble{look} {kind}")
        said = tag("title", escape(_spoken(point, plane)))
        dots.append(tag("g", said, diamond(x, y) if point.index == 0 else mark))
        if point.named:
            start, baseline = place_name(
                point.name, x, y, _RADIUS, left=_LEFT + 2, right=width, taken=taken
            )
            names.append(label(start, baseline, point.name, kind=f"strong name {kind}"))
    return dots, names


def _tick(one: Tick, plane: _Plane) -> str:
    x = plane.x(plane.axis.value(one))
    said = tag(
        "title", escape(f"{one.name}: {plane.axis.words(plane.axis.value(one))}, not trained")
    )
    return tag("g", said, line(x, _BOTTOM - _TICK, x, _BOTTOM, kind="tick"))


def _ends(bound: Bound | None) -> list[float]:
    return [] if bound is None else [bound.low, bound.high]


def _within(plane: _Plane) -> str:
    """The part of the panel that meets the strictest of the limits."""
    if plane.cost is None and plane.accuracy is None:
        return ""
    right = plane.across.end if plane.cost is None else plane.x(plane.cost.low)
    floor = _BOTTOM if plane.accuracy is None else plane.up(plane.accuracy.high)
    return tag("rect", x=_LEFT, y=_TOP, width=right - _LEFT, height=floor - _TOP, class_="within")


def _limits(plane: _Plane) -> tuple[str, list[Box]]:
    """Lines (two where runs differ) with their words, and the room that these take."""
    drawn: list[str] = []
    taken: list[Box] = []
    end = plane.across.end
    if plane.cost is not None:
        for x in dict.fromkeys(map(plane.x, _ends(plane.cost))):
            drawn.append(line(x, _TOP, x, _BOTTOM, kind="limit"))
        words = f"at most {_span(plane.cost, plane.axis.words)}"
        room, y = text_width(words), _BOTTOM - _TICK - 6
        start = plane.x(plane.cost.low) - 6 - room
        if start <= _LEFT:
            start = min(plane.x(plane.cost.high) + 6, end - room)
        drawn.append(label(start, y, words, kind="limit-words name"))
        taken.append(text_box(start, y, words))
    if plane.accuracy is not None:
        for y in dict.fromkeys(map(plane.up, _ends(plane.accuracy))):
            drawn.append(line(_LEFT, y, end, y, kind="limit"))
        words = f"at least {_span(plane.accuracy, q.percent)}"
        start, y = end - text_width(words), plane.up(plane.accuracy.low) + 15
        if any(text_box(start, y, words).meets(box) for box in taken):
            y = plane.up(plane.accuracy.high) - 6
        drawn.append(label(end, y, words, anchor="end", kind="limit-words name"))
        taken.append(text_box(start, y, words))
    return "".join(drawn), taken


def _span(bound: Bound, words: Callable[[float], str]) -> str:
    low, high = words(bound.low), words(bound.high)
    return low if low == high else f"{low} to {high}"


def _stairs(best: Sequence[Point], plane: _Plane) -> str:
    """The edge of what was reached: for each latency or size, the best accuracy for no more."""
    path, reached = "", -math.inf
    for point in sorted(best, key=lambda p: (plane.axis.value(p), -p.accuracy)):
        if point.accuracy <= reached:
            continue  # on the front by what the other panel shows
        x, y = plane.place(point)
        path += f"M{x:.1f} {y:.1f}" if not path else f"H{x:.1f}V{y:.1f}"
        reached = point.accuracy
    return tag("path", d=path, class_="front") if "H" in path else ""


def _spoken(point: Point, plane: _Plane) -> str:
    taken = plane.axis.words(plane.axis.value(point))
    missed = ", does not meet all its budgets" if point.met is False else ""
    return f"{point.name}: {taken}, {q.percent(point.accuracy)}{missed}"


def _description(
    points: Sequence[Point], ticks: Sequence[Tick], best: Sequence[Point], plane: _Plane
) -> str:
    words = plane.axis.words
    said = [_spoken(point, plane) for point in points]
    if plane.cost is not None:
        said.append(f"budget: at most {_span(plane.cost, words)}")
    if plane.accuracy is not None:
        said.append(f"budget: at least {_span(plane.accuracy, q.percent)}")
    if ticks:
        said.append(f"{len(ticks)} were timed and not trained")
    if len(points) > 2:
        said.append("beaten by none: " + ", ".join(p.name for p in best))
    return "; ".join(said)
