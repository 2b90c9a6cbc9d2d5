"""Bytes at each stop from teacher to shipped file, as bars from zero."""

from __future__ import annotations

from compress.report import quantities as q
from compress.report.charts.axis import Scale
from compress.report.charts.svg import label, picture, series_class, tag, text_width
from compress.values import SizeStep


def size_chart(steps: tuple[SizeStep, ...], *, width: float, key: str) -> str:
    """One bar per stop: its name above, its size and how much smaller than the first beside it."""
    first = steps[0].size_bytes
    words = [_words(step, first) for step in steps]
    scale = Scale(low=0, high=max(s.size_bytes for s in steps) or 1, start=0, end=width - 4)
    step_height, bar = 48.0, 20.0
    body = []
    for place, (step, text) in enumerate(zip(steps, words, strict=True)):
        y = step_height * place
        kind = series_class(0 if place == 0 else 1)
        length = max(2.0, scale(step.size_bytes))
        body.append(label(0, y + 13, step.stage, kind="strong"))
        body.append(label(width, y + 13, _accuracy(step), anchor="end", kind="muted"))
        body.append(
            tag("rect", x=0, y=y + 20, width=length, height=bar, rx=3, class_=f"bar {kind}")
        )
        outside = length + 10 + text_width(text) < width
        body.append(
            label(length + 10, y + 34, text)
            if outside
            else label(length - 10, y + 34, text, anchor="end", kind=f"on {kind}")
        )
    return picture(
        width,
        step_height * len(steps),
        *body,
        key=key,
        title="File size at each stage",
        description="; ".join(f"{s.stage}: {w}" for s, w in zip(steps, words, strict=True)),
    )


def _words(step: SizeStep, first: int) -> str:
    ratio = q.times_less(first, step.size_bytes, "smaller", "larger")
    return q.size(step.size_bytes) + (f", {ratio}" if ratio and ratio != "the same" else "")


def _accuracy(step: SizeStep) -> str:
    if step.validation_accuracy is None:
        return ""
    return f"{q.percent(step.validation_accuracy)} validation"
