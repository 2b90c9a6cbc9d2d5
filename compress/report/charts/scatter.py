"""Runs side by side: latency across, accuracy upwards, file size as the area of the dot."""

from __future__ import annotations

import math
from dataclasses import dataclass

from compress.report import quantities as q
from compress.report.charts.axis import Scale, bottom_axis, left_axis, padded, plain
from compress.report.charts.svg import label, picture, series_class, tag, text_width

_LARGEST, _SMALLEST = 22.0, 4.0  # radii in px


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model of one run."""

    name: str
    index: int
    p50_ms: float
    accuracy: float
    size_bytes: int


def scatter(points: tuple[Point, ...], *, width: float, key: str) -> str:
    """Up and to the left is better. The axis of latency is logarithmic when it spans much."""
    slow, fast = max(p.p50_ms for p in points), min(p.p50_ms for p in points)
    log = slow >= 3 * fast > 0
    low, high = (fast / 1.8, slow * 1.8) if log else padded(fast, slow, part=0.25)
    floor, ceiling = padded(
        min(p.accuracy for p in points), max(p.accuracy for p in points), part=0.18
    )
    left, top, bottom = 62.0, 14.0, 330.0
    across = Scale(low=low, high=high, start=left, end=width - 8, log=log)
    up = Scale(low=floor, high=ceiling, start=bottom, end=top)
    largest = max(p.size_bytes for p in points) or 1
    body = [
        left_axis(up, left=left, right=width - 8, words=lambda v: f"{v * 100:.4g} %"),
        bottom_axis(
            across,
            top=top,
            bottom=bottom,
            words=plain,
            unit="p50 in ms" + (" (logarithmic)" if log else ""),
            at_most=7 if width > 500 else 5,
        ),
    ]
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda p: -p.size_bytes):
        x, y = across(point.p50_ms), up(point.accuracy)
        radius = max(_SMALLEST, _LARGEST * math.sqrt(point.size_bytes / largest))
        kind = series_class(point.index)
        body.append(tag("circle", cx=x, cy=y, r=radius, class_=f"bubble {kind}"))
        body.append(_name(point, x, y, radius, width, taken, kind))
    return picture(
        width,
        bottom + 38,
        *body,
        key=key,
        title="Latency against accuracy; the area of a dot is the size of the file",
        description="; ".join(
            f"{p.name}: {q.milliseconds(p.p50_ms)}, {q.percent(p.accuracy)}, {q.size(p.size_bytes)}"
            for p in points
        ),
    )


def _name(
    point: Point,
    x: float,
    y: float,
    radius: float,
    width: float,
    taken: list[tuple[float, float, float]],
    kind: str,
) -> str:
    """A label beside its dot, moved up or down until it lies on no other."""
    words = f"{point.name}, {q.size(point.size_bytes)}"
    room = text_width(words)
    right = x + radius + 6 + room < width
    start = x + radius + 6 if right else max(0.0, x - radius - 6 - room)
    shift = next(
        s
        for step in range(200)
        for s in (step * 8.0, -step * 8.0)
        if all(
            abs(y + s - other) >= 15 or start + room < begin or end < start
            for begin, end, other in taken
        )
    )
    taken.append((start, start + room, y + shift))
    return label(start, y + shift + 4, words, kind=f"strong {kind}")
