"""A quantity over the epochs of training, one line per run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compress.report.charts.axis import Scale, bottom_axis, left_axis, padded, plain
from compress.report.charts.svg import label, line, picture, series_class, tag, text_width


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """values: one per epoch, None where there is none. index decides the colour."""

    name: str
    index: int
    values: tuple[float | None, ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A horizontal line to compare with."""

    name: str
    index: int
    value: float


def curves(
    lines: tuple[Curve, ...],
    *,
    title: str,
    words: Callable[[float], str],
    width: float,
    key: str,
    level: Level | None = None,
    first_epoch: int = 1,
) -> str:
    """Lines with their names at the end. words writes a value with its unit."""
    known = [v for c in lines for v in c.values if v is not None]
    known += [level.value] if level else []
    if not known:
        return ""
    low, high = padded(min(known), max(known))
    names = [c.name for c in lines] + ([level.name] if level else [])
    left = max(text_width(words(v)) for v in (low, high)) + 10
    right = width - max(map(text_width, names)) - 12
    top, bottom, length = 12.0, 172.0, max(len(c.values) for c in lines)
    across = Scale(low=first_epoch, high=first_epoch + length - 1, start=left + 4, end=right - 6)
    up = Scale(low=low, high=high, start=bottom, end=top)
    body = [
        left_axis(up, left=left, right=right, words=words),
        bottom_axis(
            across,
            top=bottom,
            bottom=bottom,
            words=plain,
            unit="epoch",
            at_most=max(2, min(length, int((right - left) / 40))),
        ),
    ]
    ends: list[tuple[float, str, str]] = []
    if level is not None:
        kind = series_class(level.index)
        body.append(line(left, up(level.value), right, up(level.value), kind=f"level {kind}"))
        ends.append((up(level.value), level.name, kind))
    for curve in lines:
        kind = series_class(curve.index)
        body += _strokes(curve, across, up, first_epoch)
        last = [(i, v) for i, v in enumerate(curve.values) if v is not None]
        if last:
            ends.append((up(last[-1][1]), curve.name, kind))
            body.append(
                tag(
                    "circle",
                    cx=across(first_epoch + last[-1][0]),
                    cy=up(last[-1][1]),
                    r=3.5,
                    class_=f"dot {kind}",
                )
            )
    body += [label(right + 6, y + 4, name, kind=f"strong {kind}") for y, name, kind in _apart(ends)]
    return picture(
        width, bottom + 38, *body, key=key, title=title, description=_spoken(lines, level, words)
    )


def _strokes(curve: Curve, across: Scale, up: Scale, first_epoch: int) -> list[str]:
    """One path, broken where values are missing."""
    path, pen = "", "M"
    for place, value in enumerate(curve.values):
        if value is None:
            pen = "M"
            continue
        path += f"{pen}{across(first_epoch + place):.1f} {up(value):.1f}"
        pen = "L"
    dashed = " dashed" if curve.dashed else ""
    return [tag("path", d=path, class_=f"stroke{dashed} {series_class(curve.index)}")]


def _apart(ends: list[tuple[float, str, str]], gap: float = 15.0) -> list[tuple[float, str, str]]:
    """The same labels, pushed down where they would lie on each other."""
    placed: list[tuple[float, str, str]] = []
    for y, name, kind in sorted(ends):
        y = max(y, placed[-1][0] + gap) if placed else y
        placed.append((y, name, kind))
    return placed


def _spoken(lines: tuple[Curve, ...], level: Level | None, words: Callable[[float], str]) -> str:
    parts = []
    for curve in lines:
        known = [v for v in curve.values if v is not None]
        if known:
            parts.append(
                f"{curve.name}: {words(known[0])} after the first epoch, {words(known[-1])} "
                f"after the last of {len(curve.values)}"
            )
    if level is not None:
        parts.append(f"{level.name}: {words(level.value)}")
    return "; ".join(parts)
