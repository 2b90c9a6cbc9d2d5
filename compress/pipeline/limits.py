"""Budgets as limits that a search can hold candidates against before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.screening import Screened as Timed
from benchmarks.values import Memory
from compress.recipe.catalogue import METRICS, budget_limit
from compress.recipe.nodes import Budget
from compress.recipe.units import (
    format_count,
    format_duration,
    format_percent,
    format_percentage_points,
    format_ratio,
    format_size,
)
from compress.search.screening import Limit

_BASELINES = ("baseline", "pinned")
P95 = 1.2  # of a p50: the tail of fresh processes, which one warm process does not show
Cell = tuple[str, int, int]  # device, threads, batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of one untrained file. timed: by cell; memory: its own and the teacher's, by
    cells that a budget on memory names; teacher_bytes: None without a file."""

    timed: Mapping[Cell, Timed]
    memory: Mapping[Cell, tuple[Memory, Memory]]
    size_bytes: int
    parameters: int
    macs: int
    teacher_bytes: int | None


def cell_of(budget: Budget) -> Cell:
    """Where a budget on time is measured."""
    return (budget.on, budget.threads, budget.batch)


def judged_before_training(budget: Budget) -> bool:
    """Whether a budget limits what needs no trained weights, and blocks."""
    if budget.level != "error" or budget.vs in _BASELINES:
        return False
    return budget.metric in _OBSERVED


def on_accuracy(budget: Budget) -> bool:
    """Whether a budget limits the accuracy over all samples, and blocks."""
    return (
        budget.level == "error"
        and budget.metric == "accuracy"
        and budget.vs not in _BASELINES
        and budget.per_slice is None
    )


def on_memory(budget: Budget) -> bool:
    """Whether a budget limits what a process takes."""
    return budget.metric in _MEMORY


def limits_of(budgets: tuple[Budget, ...]) -> Iterator[Limit]:
    """All as "at most": a speed-up of 8 is a ratio of times of 1/8."""
    for budget in filter(judged_before_training, budgets):
        yield Limit(
            budget=budget.id,
            limit=as_most(budget),
            timed=METRICS[budget.metric].timed,
            memory=on_memory(budget),
        )


def observed(budget: Budget, known: Known) -> float:
    """What a file takes of a budget, in the unit of its limit."""
    if budget.metric in ("file_bytes", "params", "macs"):
        value: float = {
            "file_bytes": known.size_bytes,
            "params": known.parameters,
            "macs": known.macs,
        }[budget.metric]
        return value / known.teacher_bytes if budget.vs and known.teacher_bytes else value
    if on_memory(budget):
        own, other = (
            one.peak_bytes if budget.metric == "memory.peak_rss" else one.peak_delta_bytes
            for one in known.memory[cell_of(budget)]
        )
        return own / max(1, other) if budget.vs else own
    timed = known.timed[cell_of(budget)]
    if budget.vs is not None:
        return timed.ratio
    seconds = timed.p50_ms / 1e3
    if budget.metric == "throughput":
        return seconds / budget.batch
    return seconds * P95 if budget.metric == "latency.p95" else seconds


def accuracy_floor(budget: Budget, teacher: float | None) -> float:
    """The accuracy on validation that is the limit itself, without room for chance."""
    limit = budget_limit(budget)
    if limit.field == "max_drop":
        assert teacher is not None
        return teacher - limit.value
    return limit.value


def written(budget: Budget, value: float) -> str:
    """A value of a limit as the budget would write it, rounded to the side that still holds."""
    field = budget_limit(budget).field
    match field:
        case "min_speedup":
            return f"min_speedup: {format_ratio(_down(1 / value))}"
        case "max_ratio":
            return f"max_ratio: {format_ratio(_up(value))}"
        case "max_increase":
            return f"max_increase: {format_percent(_up(max(0.0, value - 1)))}"
        case "max_drop":
            return f"max_drop: {format_percentage_points(math.ceil(value * 1000 - 1e-6) / 1000)}"
        case _:
            return f"{field}: {_absolute(budget, value)}"


def with_limit(budget: Budget, text: str) -> Budget:
    """The budget with a limit as `written` gives it."""
    field, _, value = text.partition(": ")
    own = budget.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return Budget.model_validate({**own, field: value})


def _absolute(budget: Budget, value: float) -> str:
    least = budget_limit(budget).field == "min"
    match METRICS[budget.metric].unit:
        case "size":
            return format_size(math.ceil(value / 1024) * 1024)
        case "duration":
            return format_duration(_up(value))
        case "percent" if least:
            return format_percent(math.floor(value * 1000 + 1e-6) / 1000)
        case "percent":
            return format_percent(math.ceil(value * 1000 - 1e-6) / 1000)
        case "number":
            return format_count(_down(value) if least else _up(value))
        case _ if budget.metric == "throughput":
            return format_count(_down(1 / value))
        case _:
            return format_count(math.ceil(value))


def as_most(budget: Budget) -> float:
    """The limit itself, as something that may be taken at most."""
    limit = budget_limit(budget)
    match limit.field:
        case "min_speedup":
            return 1 / limit.value
        case "max_increase":
            return 1 + limit.value
        case "min":  # throughput alone
            return 1 / limit.value
        case _:
            return limit.value


def _up(value: float) -> float:
    """To three digits, never below."""
    step = 10 ** (math.floor(math.log10(value)) - 2) if value > 0 else 1.0
    return float(f"{math.ceil(value / step - 1e-9) * step:.6g}")


def _down(value: float) -> float:
    step = 10 ** (math.floor(math.log10(value)) - 2) if value > 0 else 1.0
    return float(f"{math.floor(value / step + 1e-9) * step:.6g}")


_MEMORY = frozenset({"memory.peak_rss", "memory.peak_rss_delta"})
_OBSERVED = _MEMORY | {"latency.p50", "latency.p95", "throughput", "file_bytes", "params", "macs"}
