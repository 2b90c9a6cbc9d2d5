"""Budgets to verdicts, from stored evidence alone. Pure: no files, no clock, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from compress.gate.baseline import BaselineState, with_baseline
from compress.gate.baseline_rules import judge_baseline
from compress.gate.exact_rules import judge_exact
from compress.gate.fidelity_rules import judge_fidelity
from compress.gate.finding import Finding
from compress.gate.latency_rules import judge_absolute, judge_ratio
from compress.gate.metric_rules import BOOTSTRAPPED, judge_metric, judge_metric_change
from compress.gate.quality_rules import judge_drop, judge_rate
from compress.gate.slice_rules import judge_slices
from compress.gate.waivers import Waiver, waive
from compress.gate.wording import limit_text
from compress.recipe.budget_node import Budget
from compress.recipe.catalogue import METRICS, Limit, Metric, budget_limit
from compress.values import Report, Status, Verdict

_WORST: tuple[Status, ...] = ("violated", "inconclusive", "pass", "unmeasured")


def judge(
    evidence: Report | Sequence[Report],
    budgets: Sequence[Budget],
    *,
    waivers: Sequence[Waiver] = (),
    today: date | None = None,
    baseline: BaselineState | None = None,
    tests: int | None = None,
) -> tuple[Verdict, ...]:
    """One verdict per budget that is not `off`, in their order.

    With several reports of one student each budget gets its worst verdict among the reports that
    measured it: a machine that fails is not hidden by one that passes. What none measured is
    `unmeasured`. `today` decides whether a waiver is still valid. baseline: of the budgets that
    have `vs: baseline`; tests: how many budgets on time share the level of the tests, default those
    that are given. Raises ValueError for a budget that check_budget refuses, and for waivers
    without `today`.
    """
    reports = (evidence,) if isinstance(evidence, Report) else tuple(evidence)
    if not reports:
        raise ValueError("nothing to judge: there is no report")
    if waivers and today is None:
        raise ValueError("waivers need `today`: they expire")
    reports = tuple(with_baseline(report, baseline) for report in reports)
    active = [budget for budget in budgets if budget.level != "off"]
    tests = tests or timed_budgets(active)
    verdicts = []
    for budget in active:
        found = [judge_one(r, budget, tests=tests, baseline=baseline) for r in reports]
        verdict = min(found, key=lambda verdict: _WORST.index(verdict.status))
        for waiver in waivers:
            if waiver.budget == budget.id and today is not None:
                accepted = waiver.relaxed(budget)
                relaxed = [judge_one(r, accepted, tests=tests, baseline=baseline) for r in reports]
                verdict = waive(verdict, waiver, relaxed, today=today)
        verdicts.append(verdict)
    return tuple(verdicts)


def timed_budgets(budgets: Sequence[Budget]) -> int:
    """How many share the level of the tests on time; 1 at least."""
    return max(1, sum(METRICS[b.metric].timed for b in budgets if b.level != "off"))


def judge_one(
    report: Report, budget: Budget, *, tests: int = 1, baseline: BaselineState | None = None
) -> Verdict:
    """One budget on one report. tests: how many timed budgets share the level of the tests."""
    metric, limit = METRICS[budget.metric], budget_limit(budget)
    if budget.vs in ("baseline", "pinned"):
        found = judge_baseline(report, baseline, metric, budget, limit, tests=tests)
    else:
        found = _find(report, metric, budget, limit, tests)
    return Verdict(
        budget=budget.id,
        metric=budget.metric,
        status=found.status,
        observed=found.observed,
        limit=limit_text(metric, limit),
        margin=found.margin,
        level=budget.level,
        reason=found.reason,
        on_inconclusive="warn" if found.warns else budget.on_inconclusive,
        missing=found.missing,
        parts=found.parts,
    )


def _find(report: Report, metric: Metric, budget: Budget, limit: Limit, tests: int) -> Finding:
    if metric.timed:
        if budget.vs is None:
            return judge_absolute(report, metric, budget, limit, tests=tests)
        return judge_ratio(report, budget, limit, tests=tests)
    if budget.per_slice is not None:
        return judge_slices(report, budget, limit)
    if metric.name in BOOTSTRAPPED:
        if budget.vs is None:
            return judge_metric(report, metric, limit)
        return judge_metric_change(report, metric, limit, point=budget.test == "point")
    if limit.field == "max_drop":
        return judge_drop(report, limit, point=budget.test == "point")
    if metric.name in ("accuracy", "agreement", "negative_flip_rate"):
        return judge_rate(report, metric, limit)
    if metric.name == "spearman":
        return judge_fidelity(report, limit)
    return judge_exact(report, metric, budget, limit)


def needs_samples(budgets: Sequence[Budget]) -> bool:
    """Whether the raw latency samples are needed: reading them is most of a gate's time."""
    return any(METRICS[b.metric].timed and b.vs is None and b.level != "off" for b in budgets)


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """2 unmeasured, 1 violated, 5 no baseline, 3 inconclusive, 0 - the first that applies.

    A budget of level `warn` fails nothing but by not being measured: that is never a pass.
    """
    if any(v.status == "unmeasured" and v.missing != "baseline" for v in verdicts):
        return 2
    errors = [verdict for verdict in verdicts if verdict.level == "error"]
    if any(v.status == "violated" for v in errors):
        return 1
    if any(v.status == "unmeasured" for v in errors):
        return 5
    if any(v.status == "inconclusive" and v.on_inconclusive == "fail" for v in errors):
        return 3
    return 0
