"""Models by cost and accuracy: which are worth having, and where the budgets lie.

Up and to the left is better. The area of a dot is the size of its file; the line joins the models
that no other one beats in all three; a hollow dot does not meet all its budgets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compress.report import quantities as q
from compress.report.charts.axis import Scale, bottom_axis, left_axis, padded, plain
from compress.report.charts.naming import Box, dot_box, place_name, text_box
from compress.report.charts.svg import label, line, picture, series_class, tag, text_width

_LARGEST, _SMALLEST = 22.0, 4.0  # radii in px
_LEFT, _TOP, _BOTTOM = 62.0, 14.0, 330.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model. cost: latency in ms, or whatever the bottom axis says; accuracy in [0, 1].

    met: whether it meets its budgets, None where nobody asked. named: a label beside the dot; of
    many (the trials of a search) only those on the front need one, and any other is faint.
    """

    name: str
    index: int  # 0 teacher, 1 student, ...: the colour
    cost: float
    accuracy: float
    size_bytes: int
    met: bool | None = None
    named: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A budget on an axis. low and high differ where the models drawn have limits of their own."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The budgets that the picture can show: at most this cost, at least this accuracy."""

    cost: Bound | None = None
    accuracy: Bound | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The bottom axis. words writes one value with its unit."""

    axis: str = "p50 in ms"
    words: Callable[[float], str] = q.milliseconds


LATENCY = Cost()


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points that none beats: no worse in cost, accuracy and size, and better in one."""
    return tuple(p for p in points if not any(_beats(other, p) for other in points))


def pareto(
    points: Sequence[Point],
    *,
    width: float,
    key: str,
    bounds: Bounds = Bounds(),
    cost: Cost = LATENCY,
    title: str = "Latency against accuracy; the area of a dot is the size of the file",
) -> str:
    """The picture. Its bottom axis is logarithmic when it spans much. ValueError for no point."""
    if not points:
        raise ValueError("nothing to draw: there is no point")
    across, up = _scales(points, bounds, width)
    axis = cost.axis + (" (logarithmic)" if across.log else "")
    best = front(points)
    body = [
        _within(bounds, across, up),
        left_axis(up, left=_LEFT, right=width - 8, words=lambda v: f"{v * 100:.4g} %"),
        bottom_axis(
            across, top=_TOP, bottom=_BOTTOM, words=plain, unit=axis,
            at_most=7 if width > 500 else 5,
        ),
        _stairs(best, across, up),
    ]  # fmt: skip
    lines, taken = _limits(bounds, cost, across, up)
    body.append(lines)
    dots = _dots(points, across, up)
    taken += [dot_box(dot.x, dot.y, dot.radius) for dot in dots]
    names = []
    for dot in dots:
        point, kind = dot.point, series_class(dot.point.index)
        shown = point.named or point in best
        look = " missed" if point.met is False else "" if shown else " faint"
        body.append(tag("circle", cx=dot.x, cy=dot.y, r=dot.radius, class_=f"bubble{look} {kind}"))
        if shown:
            words = f"{point.name}, {q.size(point.size_bytes)}"
            start, baseline = place_name(
                words, dot.x, dot.y, dot.radius, left=_LEFT + 2, right=width, taken=taken
            )
            names.append(label(start, baseline, words, kind=f"strong name {kind}"))
    return picture(
        width,
        _BOTTOM + 38,
        *body,
        *names,
        key=key,
        title=title,
        description=_description(points, best, bounds, cost),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dot:
    """A point where it is drawn, in px."""

    point: Point
    x: float
    y: float
    radius: float


def _dots(points: Sequence[Point], across: Scale, up: Scale) -> list[_Dot]:
    """The largest first, so that a small one lies on top."""
    largest = max(p.size_bytes for p in points) or 1
    return [
        _Dot(
            point=point,
            x=across(point.cost),
            y=up(point.accuracy),
            radius=max(_SMALLEST, _LARGEST * math.sqrt(point.size_bytes / largest)),
        )
        for point in sorted(points, key=lambda p: (-p.size_bytes, p.named))
    ]


def _beats(other: Point, point: Point) -> bool:
    theirs = (other.cost, -other.accuracy, other.size_bytes)
    mine = (point.cost, -point.accuracy, point.size_bytes)
    return theirs != mine and all(a <= b for a, b in zip(theirs, mine, strict=True))


def _scales(points: Sequence[Point], bounds: Bounds, width: float) -> tuple[Scale, Scale]:
    """Both axes hold every point and every limit."""
    costs = [p.cost for p in points] + _ends(bounds.cost)
    accuracies = [p.accuracy for p in points] + _ends(bounds.accuracy)
    slow, fast = max(costs), min(costs)
    log = slow >= 3 * fast > 0
    low, high = (fast / 1.8, slow * 1.8) if log else padded(fast, slow, part=0.25)
    floor, ceiling = padded(min(accuracies), max(accuracies), part=0.18)
    return (
        Scale(low=low, high=high, start=_LEFT, end=width - 8, log=log),
        Scale(low=floor, high=ceiling, start=_BOTTOM, end=_TOP),
    )


def _ends(bound: Bound | None) -> list[float]:
    return [] if bound is None else [bound.low, bound.high]


def _within(bounds: Bounds, across: Scale, up: Scale) -> str:
    """The part of the plane that meets the strictest of the limits."""
    if bounds.cost is None and bounds.accuracy is None:
        return ""
    right = across.end if bounds.cost is None else across(bounds.cost.low)
    floor = _BOTTOM if bounds.accuracy is None else up(bounds.accuracy.high)
    return tag("rect", x=_LEFT, y=_TOP, width=right - _LEFT, height=floor - _TOP, class_="within")


def _limits(bounds: Bounds, cost: Cost, across: Scale, up: Scale) -> tuple[str, list[Box]]:
    """Lines (two where runs differ) with their words, and the room that these take."""
    drawn: list[str] = []
    taken: list[Box] = []
    if bounds.cost is not None:
        for value in dict.fromkeys(_ends(bounds.cost)):
            drawn.append(line(across(value), _TOP, across(value), _BOTTOM, kind="limit"))
        words = f"at most {_span(bounds.cost, cost.words)}"
        start = across(bounds.cost.low) - 6 - text_width(words)
        start = start if start > _LEFT else across(bounds.cost.high) + 6
        drawn.append(label(start, _BOTTOM - 8, words, kind="limit-words name"))
        taken.append(text_box(start, _BOTTOM - 8, words))
    if bounds.accuracy is not None:
        for value in dict.fromkeys(_ends(bounds.accuracy)):
            drawn.append(line(_LEFT, up(value), across.end, up(value), kind="limit"))
        words = f"at least {_span(bounds.accuracy, q.percent)}"
        y = up(bounds.accuracy.low) + 15
        drawn.append(label(across.end, y, words, anchor="end", kind="limit-words name"))
        taken.append(text_box(across.end - text_width(words), y, words))
    return "".join(drawn), taken


def _span(bound: Bound, words: Callable[[float], str]) -> str:
    low, high = words(bound.low), words(bound.high)
    return low if low == high else f"{low} to {high}"


def _stairs(best: Sequence[Point], across: Scale, up: Scale) -> str:
    """The edge of what was reached: at each cost, the best accuracy for no more."""
    path, reached = "", -math.inf
    for point in sorted(best, key=lambda p: (p.cost, -p.accuracy)):
        if point.accuracy <= reached:
            continue  # on the front by its size alone
        x, y = across(point.cost), up(point.accuracy)
        path += f"M{x:.1f} {y:.1f}" if not path else f"H{x:.1f}V{y:.1f}"
        reached = point.accuracy
    return tag("path", d=path, class_="front") if "H" in path else ""


def _description(points: Sequence[Point], best: Sequence[Point], bounds: Bounds, cost: Cost) -> str:
    said = [
        f"{p.name}: {cost.words(p.cost)}, {q.percent(p.accuracy)}, {q.size(p.size_bytes)}"
        + (", does not meet all its budgets" if p.met is False else "")
        for p in points
    ]
    if bounds.cost is not None:
        said.append(f"budget: at most {_span(bounds.cost, cost.words)}")
    if bounds.accuracy is not None:
        said.append(f"budget: at least {_span(bounds.accuracy, q.percent)}")
    if len(points) > 2:
        said.append("beaten by none: " + ", ".join(p.name for p in best))
    return "; ".join(said)
