"""Budgets on metrics that no exact test fits: F1, worst class, losses. Bounds of the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

from compress.gate.finding import FEWEST_GROUPS, Finding, too_few_groups, unmeasured
from compress.gate.lookup import STUDENT, TEACHER, pair_of, quality_of
from compress.gate.wording import WRITERS, apart, percent, plain, points, signed, times
from compress.recipe.catalogue import Limit, Metric
from compress.values import MetricChange, MetricValue, Report

BOOTSTRAPPED = frozenset({"macro_f1", "worst_class_accuracy", "nll", "brier"})
_Z_ALPHA = NormalDist().inv_cdf(0.95)
_Z_POWER = NormalDist().inv_cdf(0.9)
_MOST = 100_000_000
ROUNDING = 1e-12  # of a difference of two shares


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A number with its one-sided bounds, all so that higher is better, and the limit's number."""

    value: float
    low: float
    high: float
    limit: float
    groups: int


def judge_metric(report: Report, metric: Metric, limit: Limit) -> Finding:
    """A metric of the student alone, against `max` or `min`."""
    quality = quality_of(report, STUDENT)
    found = next((m for m in quality.metrics if m.metric == metric.name), None) if quality else None
    if found is None:
        return unmeasured(f"the student's {metric.name} was not measured")
    return _judge(_own(found, limit), limit, WRITERS[metric.unit], _how(found), points_of(metric))


def judge_metric_change(
    report: Report, metric: Metric, limit: Limit, *, point: bool = False
) -> Finding:
    """A metric against the teacher's on the same samples: a drop, a ratio or an increase.

    point: of a drop, the observed value alone decides.
    """
    pair = pair_of(report, TEACHER)
    found = next((m for m in pair.metrics if m.metric == metric.name), None) if pair else None
    if found is None:
        return unmeasured(f"{metric.name} of teacher and student was not compared")
    if limit.field == "max_drop":
        seen = _Seen(
            value=found.difference,
            low=found.difference_low,
            high=found.difference_high,
            limit=-limit.value,
            groups=found.groups,
        )
        if point:
            if abs(seen.value - seen.limit) <= ROUNDING:  # 85 % - 90 % in floats is below -5 pp
                seen = replace(seen, value=seen.limit)
            seen = replace(seen, low=seen.value, high=seen.value)
            how = "`test: point`: the observed value alone, without a bound"
            return _judge(seen, limit, points, how, points, sign=True, point=True)
        return _judge(seen, limit, points, _how(found), points, sign=True)
    if found.ratio is None or found.ratio_low is None or found.ratio_high is None:
        return unmeasured(f"the teacher's {metric.name} is 0: no ratio")
    less = 1.0 if limit.field == "max_increase" else 0.0
    seen = _Seen(
        value=-(found.ratio - less),
        low=-(found.ratio_high - less),
        high=-(found.ratio_low - less),
        limit=-limit.value,
        groups=found.groups,
    )
    write = percent if less else times
    return _judge(seen, limit, write, _how(found), points if less else times, sign=bool(less))


def points_of(metric: Metric) -> Callable[[float, int], str]:
    """How a margin of this metric is written."""
    return points if metric.unit == "percent" else WRITERS[metric.unit]


def _own(found: MetricValue, limit: Limit) -> _Seen:
    turn = 1.0 if limit.field == "min" else -1.0
    ends = sorted((turn * found.low, turn * found.high))
    return _Seen(
        value=turn * found.value,
        low=ends[0],
        high=ends[1],
        limit=turn * limit.value,
        groups=found.groups,
    )


def _judge(
    seen: _Seen,
    limit: Limit,
    write: Callable[..., str],
    how: str,
    write_margin: Callable[..., str],
    *,
    sign: bool = False,
    point: bool = False,
) -> Finding:
    turn = 1.0 if limit.field in ("min", "max_drop") else -1.0

    def text(value: float) -> str:
        written = apart(write, turn * value, turn * seen.limit)
        return signed(written) if sign else written

    if seen.groups < FEWEST_GROUPS and not point:
        return too_few_groups(seen.groups, text(seen.value))
    observed = f"{text(seen.value)} (at worst {text(seen.low)})"
    margin = signed(write_margin(seen.low - seen.limit, 3))
    if seen.low >= seen.limit:
        return Finding(status="pass", observed=observed, margin=margin, reason=how)
    if seen.high < seen.limit:
        reason = f"even at best {text(seen.high)}, {how}"
        return Finding(status="violated", observed=observed, margin=margin, reason=reason)
    enough = told_needed(needed_units(seen.value, seen.low, seen.high, seen.limit, seen.groups))
    reason = f"too few samples: the limit lies inside the bounds; {enough}; {how}"
    return Finding(status="inconclusive", observed=observed, margin=margin, reason=reason)


def needed_units(value: float, low: float, high: float, limit: float, units: int) -> float | None:
    """How many samples or groups would do where `units` give these one-sided 95 % bounds, all so
    that higher is better: n (z_a + z_b)^2 se^2 / room^2. None: the value itself is past the limit.
    """
    room = value - limit
    if room <= 0:
        return None
    error = (high - low) / (2.0 * _Z_ALPHA)
    return units * ((_Z_ALPHA + _Z_POWER) * error / room) ** 2


def told_needed(needed: float | None, unit: str = "") -> str:
    """In words, rounded up to two digits."""
    if needed is None:
        return "the observed value is past it, and more samples are likely to show a violation"
    if needed > _MOST:
        return "more samples than are practical are needed at this spread"
    digits = max(0, len(str(int(needed))) - 2)
    rounded = math.ceil(needed / 10**digits) * 10**digits
    return f"about {rounded:,} {unit}are needed at this spread"


def _how(found: MetricChange | MetricValue) -> str:
    return (
        f"paired cluster bootstrap bound at 95 %, {plain(found.groups)} groups, "
        f"{plain(found.resamples)} resamples"
    )
