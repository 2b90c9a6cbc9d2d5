"""Budgets as lines of a picture: limits on latency, accuracy and size, in absolute numbers."""

from __future__ import annotations

from collections.abc import Sequence

from compress.gate.latency_rules import time_limit
from compress.gate.lookup import TEACHER, cell_of, quality_of, setting_of, size_of
from compress.recipe.budget_node import Budget
from compress.recipe.catalogue import Limit, budget_limit
from compress.values import BudgetLine, Report

_DRAWN = ("latency.p50", "accuracy", "file_bytes")


def budget_lines(report: Report, budgets: Sequence[Budget]) -> tuple[BudgetLine, ...]:
    """Those of the budgets that a picture of latency, accuracy and size can show.

    A limit against the teacher is the absolute one at this report's teacher; it is left out where
    that was not measured, as are limits per slice, against the baseline and of level `off`.
    """
    found = []
    for budget in budgets:
        if (
            budget.level == "off"
            or budget.vs in ("baseline", "pinned")
            or budget.per_slice is not None
        ):
            continue
        if budget.metric not in _DRAWN:
            continue
        value = _value(report, budget, budget_limit(budget))
        if value is not None:
            setting = setting_of(budget) if budget.metric == "latency.p50" else None
            found.append(
                BudgetLine(budget=budget.id, metric=budget.metric, value=value, setting=setting)
            )
    return tuple(found)


def _value(report: Report, budget: Budget, limit: Limit) -> float | None:
    if budget.vs is None:
        return limit.value
    match budget.metric:
        case "latency.p50":
            cell = cell_of(report, TEACHER, setting_of(budget))
            return None if cell is None else cell.latency.p50_ms / 1000 * time_limit(limit)
        case "accuracy":
            quality = quality_of(report, TEACHER)
            return None if quality is None else quality.accuracy - limit.value
        case _:
            size_bytes = size_of(report, TEACHER)
            return None if size_bytes is None else size_bytes * time_limit(limit)
