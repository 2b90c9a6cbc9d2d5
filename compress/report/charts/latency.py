"""How long calls take: where each model lies, how its calls spread, and each epoch's median."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from statistics import median

from compress.report import quantities as q
from compress.report.charts.axis import Scale, bottom_axis, padded, plain
from compress.report.charts.svg import diamond, label, line, picture, series_class, tag, text_width

_FAR_APART = 3.0  # from this ratio of medians on, one straight axis would flatten the faster model
_BINS = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Calls of one model at one setting; epochs_ms holds one tuple per fresh process."""

    subject: str
    index: int  # place in the report's order: decides the colour
    epochs_ms: tuple[tuple[float, ...], ...]
    p50_ms: float
    p95_ms: float | None


def far_apart(models: tuple[Calls, ...]) -> bool:
    """Whether the medians are too far apart for one straight axis."""
    middles = [m.p50_ms for m in models]
    return max(middles) >= _FAR_APART * min(middles) > 0


def positions(models: tuple[Calls, ...], *, width: float, key: str, setting: str) -> str:
    """Median and p95 of each model on one axis, logarithmic when they are far apart."""
    log = far_apart(models)
    ends = [m.p50_ms for m in models] + [m.p95_ms for m in models if m.p95_ms is not None]
    low, high = (min(ends) / 1.6, max(ends) * 1.6) if log else (0.0, max(ends) * 1.12)
    step, top = 30, 4
    bottom = top + step * len(models)
    scale = Scale(low=low, high=high, start=8, end=width - 8, log=log)
    body = [
        bottom_axis(
            scale,
            top=top,
            bottom=bottom,
            words=plain,
            unit="ms per call" + (" (logarithmic)" if log else ""),
            at_most=7 if width > 500 else 5,
        )
    ]
    for row, model in enumerate(models):
        kind, y = series_class(model.index), top + step * (row + 0.5)
        x = scale(model.p50_ms)
        if model.p95_ms is not None:
            body.append(line(x, y, scale(model.p95_ms), y, kind=f"whisker {kind}"))
        body.append(
            diamond(x, y)
            if model.index == 0
            else tag("circle", cx=x, cy=y, r=5.5, class_=f"dot {kind}")
        )
        words = f"{model.subject} {q.milliseconds(model.p50_ms)}"
        after = max(x, scale(model.p95_ms)) if model.p95_ms is not None else x
        fits = after + 12 + text_width(words) < width
        body.append(
            label(after + 12, y + 4, words, kind=f"strong {kind}")
            if fits
            else label(x - 12, y + 4, words, anchor="end", kind=f"strong {kind}")
        )
    return picture(
        width,
        bottom + 38,
        *body,
        key=key,
        title=f"Latency of each model, {setting}",
        description="; ".join(
            f"{m.subject}: median {q.milliseconds(m.p50_ms)}"
            + (f", 95th percentile {q.milliseconds(m.p95_ms)}" if m.p95_ms is not None else "")
            for m in models
        ),
    )


def common_range(models: tuple[Calls, ...]) -> tuple[float, float] | None:
    """One axis for all distributions where the models are near each other, else None."""
    if far_apart(models):
        return None
    ranges = [_shown_range(m) for m in models]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def distribution(
    model: Calls, *, width: float, key: str, setting: str, shown: tuple[float, float] | None = None
) -> str:
    """Histogram of all calls, then a dot per epoch median, first epoch on top.

    shown: the range of the axis in ms; by default the model's own, without its slowest 1 %.
    """
    low, high = shown or _shown_range(model)
    calls = sorted(value for epoch in model.epochs_ms for value in epoch)
    scale = Scale(low=low, high=high, start=8, end=width - 8)
    kind = series_class(model.index)
    top, ground = 36.0, 128.0
    lane = min(6.0, 60.0 / max(1, len(model.epochs_ms)))
    bottom = ground + 10 + lane * len(model.epochs_ms)
    body = [
        bottom_axis(
            scale, top=top, bottom=bottom, words=plain, unit="ms", at_most=_tick_count(width)
        ),
        _area(calls, scale, top=top + 4, ground=ground, kind=kind),
        *_quantile_marks(model, scale, top=top, ground=ground, kind=kind, width=width),
    ]
    for row, epoch in enumerate(model.epochs_ms):
        x = scale(min(max(median(epoch), low), high)) if epoch else scale.start
        y = ground + 8 + lane * (row + 0.5)
        body.append(tag("circle", cx=x, cy=y, r=min(3.0, max(1.2, lane / 2)), class_=f"dot {kind}"))
    slower = len(calls) - bisect_left(calls, high)
    beyond = f"{q.count(slower)} of {q.count(len(calls))} calls slower, up to " if slower else ""
    if beyond:
        beyond += f"{q.milliseconds(calls[-1])} \u2192"
        body.append(label(width - 8, 10, beyond, anchor="end", kind="muted"))
    middles = [median(e) for e in model.epochs_ms if e]
    return picture(
        width,
        bottom + 38,
        *body,
        key=key,
        title=f"Distribution of call times: {model.subject}, {setting}",
        description=f"{q.count(len(calls))} calls in {len(model.epochs_ms)} fresh processes; "
        f"median {q.milliseconds(model.p50_ms)}; medians of the processes "
        f"{q.milliseconds(min(middles))} to {q.milliseconds(max(middles))}. {beyond}",
    )


def _tick_count(width: float) -> int:
    return 8 if width > 500 else 5


def _shown_range(model: Calls) -> tuple[float, float]:
    calls = sorted(value for epoch in model.epochs_ms for value in epoch)
    high = calls[int((len(calls) - 1) * 0.99)]
    low, high = padded(calls[int(len(calls) * 0.001)], max(high, model.p95_ms or 0.0))
    return max(low, 0.0), high


def _area(calls: list[float], scale: Scale, *, top: float, ground: float, kind: str) -> str:
    counts = [0] * _BINS
    for value in calls:
        place = int((value - scale.low) / (scale.high - scale.low) * _BINS)
        if 0 <= place < _BINS:
            counts[place] += 1
    peak = max(counts) or 1
    step = (scale.end - scale.start) / _BINS
    path = [f"M{scale.start:.1f} {ground:.1f}"]
    for number in counts:
        y = ground - (ground - top) * number / peak
        path.append(f"V{y:.1f}h{step:.2f}")
    path.append(f"V{ground:.1f}Z")
    return tag("path", d="".join(path), class_=f"area {kind}")


def _quantile_marks(
    model: Calls, scale: Scale, *, top: float, ground: float, kind: str, width: float
) -> list[str]:
    """Lines at the median and the 95th percentile, and their names, which never meet."""
    middle, words = scale(model.p50_ms), f"p50 {q.milliseconds(model.p50_ms)}"
    start = min(middle + 4, width - text_width(words))
    parts = [line(middle, top, middle, ground, kind=f"mark {kind}")]
    if model.p95_ms is not None:
        far, others = scale(model.p95_ms), f"p95 {q.milliseconds(model.p95_ms)}"
        beside = min(far + 4, width - text_width(others))
        if start + text_width(words) + 8 > beside:
            # To the left of both where there is room, else they stand as near as they can.
            start = min(middle - 4, beside - 8) - text_width(words)
            beside = max(beside, max(start, 0.0) + text_width(words) + 8)
        parts.append(line(far, top, far, ground, kind=f"mark {kind}"))
        parts.append(label(beside, top - 6, others, kind=f"strong {kind}"))
    parts.append(label(max(start, 0.0), top - 6, words, kind=f"strong {kind}"))
    return parts
