"""What can be budgeted: each metric's direction and unit, and the limits that fit it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from compress.recipe.budget_node import Budget
from compress.recipe.suggest import suggestion
from compress.recipe.units import (
    format_count,
    format_duration,
    format_percent,
    format_percentage_points,
    format_ratio,
    format_size,
    parse_count,
    parse_duration,
    parse_percent,
    parse_size,
)

Unit = Literal["size", "duration", "percent", "count", "number"]
Anchor = Literal["teacher", "baseline", "pinned"]
Source = Literal["answers", "file", "process", "export"]
LIMITS = ("max", "min", "max_ratio", "min_speedup", "max_drop", "max_increase")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the catalogue. source: what it is found from, answers on samples, the bytes of a
    file, a process that runs it, or its export. cell: it has a device, a batch and a thread count;
    timed: it is read off a clock in repeated epochs, and shares the level of the tests on time."""

    name: str
    source: Source
    better: Literal["lower", "higher"]
    unit: Unit
    absolute: tuple[str, ...]
    teacher: tuple[str, ...] = ()
    baseline: tuple[str, ...] = ()
    cell: bool = False
    timed: bool = False

    def limits(self, vs: Anchor | None) -> tuple[str, ...]:
        """The limit fields that fit with this anchor."""
        if vs is None:
            return self.absolute
        return self.teacher if vs == "teacher" else self.baseline

    def parse(self, text: str) -> float:
        """A `max` or `min` in base units (bytes, seconds, fraction, count). ValueError."""
        return _PARSERS[self.unit](text)

    def write(self, value: float) -> str:
        """The exact text that `parse` reads back."""
        return _WRITERS[self.unit](value)


_PARSERS: Mapping[Unit, Callable[[object], float]] = {
    "size": parse_size,
    "duration": parse_duration,
    "percent": parse_percent,
    "count": parse_count,
    "number": parse_count,
}
_WRITERS: Mapping[Unit, Callable[[float], str]] = {
    "size": lambda value: format_size(int(value)),
    "duration": format_duration,
    "percent": format_percent,
    "count": format_count,
    "number": format_count,
}


def _row(
    source: Source,
    name: str,
    better: Literal["lower", "higher"],
    unit: Unit,
    *,
    teacher: tuple[str, ...] = (),
    baseline: tuple[str, ...] = (),
    cell: bool = False,
) -> Metric:
    return Metric(
        name=name,
        source=source,
        better=better,
        unit=unit,
        absolute=("max",) if better == "lower" else ("min",),
        teacher=teacher,
        baseline=baseline,
        cell=cell,
        timed=name in ("latency.p50", "latency.p95", "throughput"),
    )


_SMALLER = ("max_ratio", "max_increase")
_DROP = ("max_drop",)
_FASTER = ("min_speedup", *_SMALLER)
_ROWS = (
    _row("answers", "accuracy", "higher", "percent", teacher=_DROP, baseline=_DROP),
    _row(
        "process", "latency.p50", "lower", "duration", teacher=_FASTER, baseline=_FASTER, cell=True
    ),
    _row("process", "latency.p95", "lower", "duration", cell=True),
    _row(
        "process",
        "throughput",
        "higher",
        "count",
        teacher=("min_speedup",),
        baseline=("min_speedup",),
        cell=True,
    ),
    _row("file", "file_bytes", "lower", "size", teacher=_SMALLER, baseline=_SMALLER),
    _row("file", "params", "lower", "count", baseline=_SMALLER),
    _row("file", "macs", "lower", "count", baseline=_SMALLER),
    _row(
        "process",
        "memory.peak_rss",
        "lower",
        "size",
        teacher=_SMALLER,
        baseline=_SMALLER,
        cell=True,
    ),
    _row(
        "process",
        "memory.peak_rss_delta",
        "lower",
        "size",
        teacher=_SMALLER,
        baseline=_SMALLER,
        cell=True,
    ),
    _row("process", "cpu_nodes", "lower", "count", cell=True),
    _row("process", "cold_start.session", "lower", "duration"),
    _row("process", "cold_start.first_call", "lower", "duration"),
    _row("export", "parity.max_abs_diff", "lower", "number"),
    _row("export", "parity.top1_agreement", "higher", "percent"),
    _row("answers", "agreement", "higher", "percent", teacher=("min",), baseline=("min",)),
    _row("answers", "negative_flip_rate", "lower", "percent", teacher=("max",), baseline=("max",)),
    _row("answers", "spearman", "higher", "number", teacher=("min",)),
    _row("answers", "macro_f1", "higher", "percent", teacher=_DROP),
    _row("answers", "worst_class_accuracy", "higher", "percent", teacher=_DROP),
    _row("answers", "nll", "lower", "number", teacher=_SMALLER),
    _row("answers", "brier", "lower", "number", teacher=_SMALLER),
)
METRICS: Mapping[str, Metric] = MappingProxyType({row.name: row for row in _ROWS})
EXACT = tuple(row.name for row in _ROWS if row.source == "file")  # no noise
OF_SCORES = ("nll", "brier")  # what class indices alone can't give


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The one limit of a budget. value: bytes, seconds, a fraction, a count or a ratio."""

    field: str
    value: float
    text: str  # with its unit; of `max` and `min` as the user wrote it


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetProblem:
    """Why a budget can't be judged. field: the key that is to blame."""

    field: str
    what: str
    cure: str = ""


def check_budget(budget: Budget) -> BudgetProblem | None:
    """None, or what is wrong: an unknown metric, no limit, two, or one that does not fit."""
    metric = METRICS.get(budget.metric)
    if metric is None:
        what = f"no metric {budget.metric[:60]!r}"
        return BudgetProblem(field="metric", what=what, cure=suggestion(budget.metric, METRICS))
    given = [name for name in LIMITS if getattr(budget, name) is not None]
    fitting = metric.limits(budget.vs)
    anchor = f"{metric.name} vs {budget.vs}" if budget.vs else f"{metric.name} without `vs`"
    if not fitting:
        absolute = " or ".join(metric.absolute)
        what = f"{metric.name} can't be limited against the {budget.vs}"
        return BudgetProblem(field="vs", what=what, cure=f"leave `vs` out and write {absolute}")
    if not given:
        return BudgetProblem(
            field="id", what="has no limit", cure=f"{anchor} takes {_either(fitting)}"
        )
    if len(given) > 1:
        what = f"has {len(given)} limits ({', '.join(given)})"
        return BudgetProblem(field=given[1], what=what, cure="write one budget for each")
    if given[0] not in fitting:
        what = f"does not fit {anchor}"
        return BudgetProblem(
            field=given[0], what=what, cure=_fitting_cure(metric, given[0], fitting)
        )
    if (misfit := _misfit(budget, given[0])) is not None:
        return misfit
    if given[0] in ("max", "min"):
        try:
            limit = metric.parse(getattr(budget, given[0]))
        except ValueError as error:
            what, _, cure = str(error).partition("; ")
            return BudgetProblem(field=given[0], what=what, cure=cure)
        if metric.unit == "percent" and limit > 1:
            return BudgetProblem(field=given[0], what="is more than 100%", cure="write it like 90%")
    return None


def _misfit(budget: Budget, given: str) -> BudgetProblem | None:
    """Keys that say how a drop is tested, beside a limit that is no drop."""
    written = budget.model_fields_set
    if "test" in written and given != "max_drop":
        what = f"is about `max_drop`, and {budget.id} limits {given}"
        return BudgetProblem(field="test", what=what, cure="remove it")
    if budget.per_slice is not None and (budget.metric != "accuracy" or budget.vs is None):
        cure = "write `metric: accuracy`, `vs: teacher` and `max_drop`"
        return BudgetProblem(field="per_slice", what="needs a drop of accuracy", cure=cure)
    if budget.per_slice is not None and budget.test == "point":
        cure = "remove `test`: slices are tested, for by chance some are always worse"
        return BudgetProblem(field="test", what="does not fit `per_slice`", cure=cure)
    if budget.ratchet and (budget.metric not in EXACT or given not in ("max", "max_ratio")):
        cure = f"write it at `max` or `max_ratio` of {', '.join(EXACT)}, or remove it"
        return BudgetProblem(field="ratchet", what="needs a number without noise", cure=cure)
    if "correction" in written and budget.per_slice is None:
        cure = "write `per_slice`, or remove it"
        return BudgetProblem(field="correction", what="is about `per_slice`", cure=cure)
    return None


def _fitting_cure(metric: Metric, given: str, fitting: tuple[str, ...]) -> str:
    anchors: tuple[Anchor, ...] = ("teacher", "baseline")
    others = [name for name in anchors if given in metric.limits(name)]
    if others:
        return f"it needs `vs: {others[0]}`; here {_either(fitting)} fits"
    return f"limits that fit: {_either(fitting)}"


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(names)


def budget_limit(budget: Budget) -> Limit:
    """The limit of a budget that `check_budget` accepts. Raises ValueError for any other."""
    problem = check_budget(budget)
    if problem is not None:
        raise ValueError(f"budget {budget.id}: {problem.field} {problem.what}")
    metric = METRICS[budget.metric]
    given = next(name for name in LIMITS if getattr(budget, name) is not None)
    value = getattr(budget, given)
    match given:
        case "max" | "min":
            number = metric.parse(value)
            return Limit(field=given, value=number, text=value)
        case "max_drop":
            return Limit(field=given, value=value, text=format_percentage_points(value))
        case "max_increase":
            return Limit(field=given, value=value, text=format_percent(value))
        case _:
            return Limit(field=given, value=value, text=format_ratio(value))
