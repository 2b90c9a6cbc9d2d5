"""Scales and ticks: values -> pixels, with round numbers at the ticks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from compress.report.charts.svg import label, line


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """low..high (values) to start..end (px), straight or logarithmic (low > 0)."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        if self.high <= self.low:
            return (self.start + self.end) / 2
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def ticks(scale: Scale, *, at_most: int = 6) -> tuple[float, ...]:
    """Round values inside the scale: 1, 2 or 5 times a power of ten."""
    if scale.high <= scale.low:
        return (scale.low,)
    return _log_ticks(scale, at_most) if scale.log else _linear_ticks(scale, at_most)


def _linear_ticks(scale: Scale, at_most: int) -> tuple[float, ...]:
    raw = (scale.high - scale.low) / max(1, at_most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10, 20) if m * power >= raw * 0.999)
    first = math.ceil(scale.low / step - 1e-9)
    last = math.floor(scale.high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step)) + 1)
    return tuple(round(i * step, decimals) for i in range(first, last + 1))


def _log_ticks(scale: Scale, at_most: int) -> tuple[float, ...]:
    first, last = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    found: tuple[float, ...] = ()
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = tuple(
            m * 10.0**p
            for p in range(first, last + 1)
            for m in steps
            if scale.low * (1 - 1e-9) <= m * 10.0**p <= scale.high * (1 + 1e-9)
        )
        if len(found) <= at_most:
            break
    # Less than a decade holds few round numbers: the straight ones do as well there.
    return found if len(found) >= 2 else _linear_ticks(scale, at_most)


def padded(low: float, high: float, *, part: float = 0.06) -> tuple[float, float]:
    """A range with some air, also where low equals high."""
    if high <= low:
        margin = abs(low) * 0.05 or 1.0
        return low - margin, high + margin
    return low - (high - low) * part, high + (high - low) * part


def bottom_axis(
    scale: Scale,
    *,
    top: float,
    bottom: float,
    words: Callable[[float], str],
    unit: str = "",
    at_most: int = 6,
) -> str:
    """Thin vertical lines at the ticks and their labels below; unit follows the last label."""
    values = ticks(scale, at_most=at_most)
    parts = [
        line(scale(v), top, scale(v), bottom, kind="grid")
        + label(scale(v), bottom + 16, words(v), anchor="middle", kind="muted")
        for v in values
    ]
    if unit:
        parts.append(label(scale.end, bottom + 32, unit, anchor="end", kind="muted"))
    return "".join(parts)


def left_axis(
    scale: Scale, *, left: float, right: float, words: Callable[[float], str], at_most: int = 5
) -> str:
    """Thin horizontal lines at the ticks and their labels at the left."""
    return "".join(
        line(left, scale(v), right, scale(v), kind="grid")
        + label(left - 8, scale(v) + 4, words(v), anchor="end", kind="muted")
        for v in ticks(scale, at_most=at_most)
    )


def plain(value: float) -> str:
    """A tick's number as short as it can be."""
    return f"{value:,.10f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
