"""Budgets on time: ratios by the sequential sign-flip test, absolute ones by epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.values import Cell, Comparison, Setting
from compress.gate.finding import Finding, unmeasured
from compress.gate.lookup import STUDENT, TEACHER, cell_of, comparison_of, setting_of
from compress.gate.wording import (
    apart,
    detectable,
    duration,
    percent,
    plain,
    points,
    setting_text,
    signed,
    times,
)
from compress.recipe.budget_checks import P95_EPOCHS
from compress.recipe.budget_node import Budget
from compress.recipe.catalogue import Limit, Metric
from compress.values import Report

if TYPE_CHECKING:  # numpy is loaded where a test runs: a gate without budgets on time starts sooner
    import numpy as np
    from numpy.typing import NDArray

LEVEL = 0.01  # both directions together, shared by the budgets of one gate
P95_SAMPLES = 130
_RESAMPLES = 2000
LONGER = "raise bench.epochs and run `distil run recipe.yaml` again"
QUIETER = "run it again when less else runs, or move the limit"  # no number of epochs helps


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A time ratio (candidate / reference) in the words of the limit field."""

    limit: float  # of the time ratio
    observed: str
    margin: str


def time_limit(limit: Limit) -> float:
    """The ratio of times (student / reference) at which a relative limit lies."""
    match limit.field:
        case "min_speedup":
            return 1 / limit.value
        case "max_increase":
            return 1 + limit.value
        case _:
            return limit.value


def judge_ratio(
    report: Report, budget: Budget, limit: Limit, *, tests: int, reference: str = TEACHER
) -> Finding:
    """Time (or throughput) against a reference's. tests: how many budgets share the level."""
    from benchmarks.stats import limit_test

    setting = setting_of(budget)
    comparison = comparison_of(report, setting, reference)
    if comparison is None or report.measured is None:
        return _untimed(setting, f"{reference} and student")
    speedups = (comparison.speedup, comparison.speedup_low, comparison.speedup_high)
    if comparison.verdict == "identical":
        speedups = (1.0, 1.0, 1.0)
    change = _change(limit, speedups, epochs=len(comparison.log_ratios))
    if comparison.verdict == "identical":
        return Finding(
            status="pass" if change.limit >= 1 else "violated",
            observed=change.observed,
            margin=change.margin,
            reason="both files have the same bytes: nothing was timed",
        )
    ratios = comparison.log_ratios
    word = limit_test(ratios, change.limit, tests=tests, seed=report.measured.seed)
    reason = _paired_reason(report, comparison)
    if word == "inconclusive":
        reason = f"{_why_open(comparison, tests)}; {reason}"
    return Finding(
        status="pass" if word == "met" else word,
        observed=change.observed,
        margin=change.margin,
        reason=reason,
    )


def _why_open(comparison: Comparison, tests: int) -> str:
    """Why a limit is neither met nor violated, and what to do."""
    from benchmarks.stats import LOOKS, looks

    epochs = len(comparison.log_ratios)
    if looks(epochs, tests=tests):
        return f"the limit is within the noise; {LONGER if epochs < LOOKS[-1] else QUIETER}"
    needed, _ = looks(LOOKS[-1], tests=tests)[0]
    budgets = "a comparison" if tests == 1 else f"{tests} budgets on time together"
    return f"too few samples: {budgets} need {needed} epochs, there are {epochs}; {LONGER}"


def _change(limit: Limit, speedups: tuple[float, float, float], *, epochs: int) -> _Change:
    speedup, low, high = speedups
    ratio = 1 / speedup
    match limit.field:
        case "min_speedup":
            interval = f"[{times(low)}, {times(high)}]"
            return _Change(
                limit=time_limit(limit),
                observed=f"{apart(times, speedup, limit.value)} {interval} k={epochs}",
                margin=signed(times(speedup - limit.value)),
            )
        case "max_increase":
            interval = f"[{signed(percent(1 / high - 1))}, {signed(percent(1 / low - 1))}]"
            value = signed(apart(percent, ratio - 1, limit.value))
            return _Change(
                limit=time_limit(limit),
                observed=f"{value} {interval} k={epochs}",
                margin=signed(points(limit.value - (ratio - 1))),
            )
        case _:
            interval = f"[{times(1 / high)}, {times(1 / low)}]"
            return _Change(
                limit=limit.value,
                observed=f"{apart(times, ratio, limit.value)} {interval} k={epochs}",
                margin=signed(times(limit.value - ratio)),
            )


def _paired_reason(report: Report, found: Comparison) -> str:
    cells = [cell_of(report, subject, found.setting) for subject in (found.reference, STUDENT)]
    times_ms = [cell.latency.p50_ms for cell in cells if cell is not None]
    medians = " -> ".join(duration(ms / 1000) for ms in times_ms)
    context = f", {medians}{_floor(report, found.setting, times_ms)}" if len(times_ms) == 2 else ""
    epochs = len(found.log_ratios)
    seen = detectable(found)
    return f"paired, {epochs} epochs, {setting_text(found.setting)}{context}, {seen}"


def _floor(report: Report, setting: Setting, times_ms: Sequence[float]) -> str:
    """What an empty model takes, where a time is below 1 ms."""
    if report.measured is None or not times_ms:
        return ""
    floor = report.measured.floor_beside(min(times_ms), setting)
    return "" if floor is None else f" (empty model: {duration(floor / 1000)})"


def judge_absolute(
    report: Report, metric: Metric, budget: Budget, limit: Limit, *, tests: int
) -> Finding:
    """p50, p95 or throughput against a number, by an interval over epochs (fresh processes)."""
    import numpy as np

    from benchmarks.stats import median_interval

    setting = setting_of(budget)
    cell = cell_of(report, STUDENT, setting)
    if cell is None or report.measured is None:
        return _untimed(setting, "the student")
    epochs = [np.asarray(epoch, dtype=np.float64) / 1e9 for epoch in cell.latency.samples_ns]
    epochs = [epoch for epoch in epochs if len(epoch)]
    if not epochs:
        return unmeasured(f"there are no raw samples of the student on {setting_text(setting)}")
    level = 1 - LEVEL / tests
    if metric.name == "latency.p95":
        short = _too_short(epochs, setting)
        if short is not None:
            return short
        value = float(np.percentile(np.concatenate(epochs), 95))
        low, high = percentile_interval(epochs, 95, level=level, seed=report.measured.seed)
    else:
        medians = [float(np.median(epoch)) for epoch in epochs]
        value = float(np.median(medians))
        low, high = median_interval(medians, seed=report.measured.seed, level=level)
    if metric.name == "throughput":
        return _rate_finding(cell, limit, value, low, high, len(epochs))
    floor = _floor(report, setting, [value * 1000])
    how = f"interval over {len(epochs)} epochs, {setting_text(setting)}{floor}"
    observed = f"{apart(duration, value, limit.value)} [{duration(low)}, {duration(high)}]"
    margin = signed(duration(limit.value - value))
    return _inside(low, high, limit.value, observed, margin, how, len(epochs))


def _rate_finding(
    cell: Cell, limit: Limit, value: float, low: float, high: float, epochs: int
) -> Finding:
    """Samples per second at this batch, from seconds per call."""
    batch = cell.setting.batch
    rate = batch / value
    observed = f"{plain(rate)} /s [{plain(batch / high)}, {plain(batch / low)}]"
    margin = signed(f"{plain(rate - limit.value)} /s")
    how = f"samples per second, interval over {epochs} epochs, {setting_text(cell.setting)}"
    allowed = batch / limit.value if limit.value > 0 else float("inf")
    return _inside(low, high, allowed, observed, margin, how, epochs)


def _inside(
    low: float, high: float, limit: float, observed: str, margin: str, how: str, epochs: int
) -> Finding:
    """Seconds: pass below the limit, violated above it, inconclusive where it is in between."""
    if epochs < 3:
        reason = f"{epochs} epochs are too few for an interval; {LONGER}"
        return Finding(status="inconclusive", observed=observed, margin=margin, reason=reason)
    if high <= limit:
        return Finding(status="pass", observed=observed, margin=margin, reason=how)
    if low > limit:
        return Finding(status="violated", observed=observed, margin=margin, reason=how)
    reason = f"the limit lies inside the interval; {LONGER}; {how}"
    return Finding(status="inconclusive", observed=observed, margin=margin, reason=reason)


def _too_short(epochs: list[NDArray[np.float64]], setting: Setting) -> Finding | None:
    calls = sum(map(len, epochs))
    if calls < P95_SAMPLES or len(epochs) < P95_EPOCHS:
        reason = (
            f"too few samples: p95 needs {P95_SAMPLES} calls in {P95_EPOCHS} epochs, there are "
            f"{calls} in {len(epochs)}; {LONGER}; {setting_text(setting)}"
        )
        return Finding(status="inconclusive", reason=reason)
    return None


def percentile_interval(
    epochs: list[NDArray[np.float64]], q: float, *, level: float, seed: int
) -> tuple[float, float]:
    """Bootstrap interval of a percentile of all calls pooled; whole epochs are resampled.

    The percentile of a resample is found by bisection over the pooled values, with each epoch
    counted as often as it was drawn: nothing is concatenated 2,000 times.
    """
    import numpy as np

    ordered = [np.sort(epoch) for epoch in epochs]
    pooled = np.sort(np.concatenate(ordered))
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(epochs), size=(_RESAMPLES, len(epochs)))
    drawn = np.stack([(picks == index).sum(axis=1) for index in range(len(epochs))], axis=1)
    wanted = q / 100 * (drawn * [len(epoch) for epoch in ordered]).sum(axis=1)
    low = np.zeros(_RESAMPLES, dtype=np.int64)
    high = np.full(_RESAMPLES, len(pooled) - 1, dtype=np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        below = np.stack(
            [np.searchsorted(epoch, pooled[middle], side="right") for epoch in ordered], axis=1
        )
        enough = (below * drawn).sum(axis=1) >= wanted
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    tail = 50 * (1 - level)
    found_low, found_high = np.percentile(pooled[high], [tail, 100 - tail])
    return float(found_low), float(found_high)


def _untimed(setting: Setting, who: str) -> Finding:
    return unmeasured(
        f"{who} were not timed together on {setting_text(setting)}"
        if who != "the student"
        else f"the student was not timed on {setting_text(setting)}",
        cure="add it to `bench` and run `distil run recipe.yaml`",
    )
