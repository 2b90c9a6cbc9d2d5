"""Where the judge finds missed what a search expected to be met: the limits that would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from compress.gate.judge import judge_one, timed_budgets
from compress.pipeline.limits import (
    as_most,
    judged_before_training,
    on_accuracy,
    with_limit,
    written,
)
from compress.recipe.catalogue import METRICS, budget_limit
from compress.recipe.nodes import Budget
from compress.trials import Relaxation, SearchFacts
from compress.values import Report, Verdict

_DOUBLINGS = 12  # a limit that has to be 4,096 times as loose is none
_HALVINGS = 30
# Of the way to the loosest limit: of slices a drop of nearly all is one that no test can exclude.
_PARTS = (1 / 64, 1 / 8, 1 / 4, 1 / 2, 1.0)


def with_missed(
    report: Report, budgets: Sequence[Budget], verdicts: Sequence[Verdict]
) -> SearchFacts | None:
    """The search of the report with a line per budget that the judge did not find met, be it one
    that the search steers by or not.

    Nothing is added where the search itself named a budget that binds.
    """
    facts = report.search
    if facts is None or facts.binding is not None:
        return facts
    missed = {one.budget for one in verdicts if one.level == "error" and _failed(one)}
    tests = timed_budgets(budgets)
    lines = [
        _line(report, budget, facts.chosen, tests=tests)
        for budget in budgets
        if budget.id in missed
    ]
    return replace(facts, relaxations=tuple(lines))


def _failed(verdict: Verdict) -> bool:
    unsure = verdict.status == "inconclusive" and verdict.on_inconclusive == "fail"
    return unsure or verdict.status == "violated"


def _line(report: Report, budget: Budget, chosen: str, *, tests: int) -> Relaxation:
    limit = budget_limit(budget)

    def passes(value: float) -> bool:
        relaxed = with_limit(budget, written(budget, value))
        return judge_one(report, relaxed, tests=tests).status == "pass"

    value = _least(passes, *_range(budget))
    return Relaxation(
        budget=budget.id,
        limit=f"{limit.field}: {limit.text}",
        enough=None if value is None else written(budget, value),
        candidate=chosen,
        reason="as it was measured and judged",
        steered=judged_before_training(budget) or on_accuracy(budget),
    )


def _range(budget: Budget) -> tuple[float, float]:
    """The limit and the loosest that is tried, as `written` takes them."""
    limit, metric = budget_limit(budget), METRICS[budget.metric]
    if limit.field == "max_drop":
        return limit.value, 1.0
    if limit.field == "min" and not metric.timed:
        return limit.value, 0.0
    if limit.field == "max" and metric.unit == "percent":
        return limit.value, 1.0
    most = as_most(budget)
    return most, (most or 1.0) * 2**_DOUBLINGS  # a limit of nothing can't be doubled


def _least(passes: Callable[[float], bool], tight: float, loose: float) -> float | None:
    """The tightest value that passes, up to the loosest; None: nothing that is tried does."""
    nearest = tight
    for part in _PARTS:
        wide = nearest + part * (loose - nearest)
        if passes(wide):
            break
        tight = wide
    else:
        return None
    for _ in range(_HALVINGS):
        middle = (tight + wide) / 2
        tight, wide = (tight, middle) if passes(middle) else (middle, wide)
    return wide
