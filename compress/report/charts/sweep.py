"""A quantity over batch sizes (or offered rates), one line per model and setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compress.report.charts.axis import Scale, bottom_axis, left_axis, padded, plain
from compress.report.charts.svg import label, line, picture, series_class, tag, text_width


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """points: (across, up), in order. index decides the colour."""

    name: str
    index: int
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


def sweep(
    lines: tuple[Sweep, ...],
    *,
    title: str,
    across: str,
    words: Callable[[float], str],
    width: float,
    key: str,
    at_values: bool = False,
) -> str:
    """Dots joined by lines; an axis that spans a factor of five or more is logarithmic.

    across: the quantity of the bottom axis with its unit; words writes a value of the other.
    at_values: the bottom axis names the values that were tried, as for batch sizes.
    """
    xs = [x for one in lines for x, _ in one.points]
    ys = [y for one in lines for _, y in one.points]
    if not xs:
        return ""
    names = max(text_width(one.name) for one in lines)
    left = max(text_width(words(value)) for value in (min(ys), max(ys))) + 14
    top, bottom = 12.0, 232.0
    horizontal = _scale(min(xs), max(xs), start=left + 6, end=width - names - 16)
    vertical = _scale(min(ys), max(ys), start=bottom, end=top)
    body = [
        left_axis(vertical, left=left, right=horizontal.end + 4, words=words),
        _tried(horizontal, sorted(set(xs)), top=top, bottom=bottom, unit=across)
        if at_values
        else bottom_axis(horizontal, top=top, bottom=bottom, words=plain, unit=across, at_most=8),
    ]
    taken: list[float] = []
    for one in lines:
        kind = series_class(one.index)
        at = [(horizontal(x), vertical(y)) for x, y in one.points]
        path = "".join(f"{'L' if place else 'M'}{x:.1f} {y:.1f}" for place, (x, y) in enumerate(at))
        dashed = " dashed" if one.dashed else ""
        body.append(tag("path", d=path, class_=f"stroke{dashed} {kind}"))
        body += [tag("circle", cx=x, cy=y, r=3.5, class_=f"dot {kind}") for x, y in at]
        y = at[-1][1]
        while any(abs(y - other) < 15 for other in taken):
            y += 15
        taken.append(y)
        body.append(label(horizontal.end + 10, y + 4, one.name, kind=f"strong {kind}"))
    return picture(
        width,
        max(bottom + 38, max(taken) + 12),
        *body,
        key=key,
        title=title,
        description="; ".join(
            f"{one.name}: " + ", ".join(f"{words(y)} at {plain(x)}" for x, y in one.points)
            for one in lines
        ),
    )


def _tried(scale: Scale, values: list[float], *, top: float, bottom: float, unit: str) -> str:
    """A line per value; a label only where the one before leaves it room."""
    parts, free = [], scale.start - 20
    for value in values:
        x, words = scale(value), plain(value)
        parts.append(line(x, top, x, bottom, kind="grid"))
        if x - text_width(words) / 2 > free:
            parts.append(label(x, bottom + 16, words, anchor="middle", kind="muted"))
            free = x + text_width(words) / 2 + 4
    parts.append(label(scale.end, bottom + 32, unit, anchor="end", kind="muted"))
    return "".join(parts)


def _scale(low: float, high: float, *, start: float, end: float) -> Scale:
    if low > 0 and high >= 5 * low:
        return Scale(low=low / 1.15, high=high * 1.15, start=start, end=end, log=True)
    low, high = padded(low, high)
    return Scale(low=max(0.0, low), high=high, start=start, end=end)
