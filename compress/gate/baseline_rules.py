"""Budgets against the last release: exact numbers from what is stored, time only from one run."""

from __future__ import annotations

from compress.gate.baseline import (
    BaselineState,
    StoredCell,
    answering_machine,
    differing,
    machine_of,
    other_kernels,
)
from compress.gate.exact_rules import judge_against, judge_exact
from compress.gate.finding import Finding, no_baseline, unmeasured
from compress.gate.latency_rules import judge_ratio
from compress.gate.lookup import BASELINE, cell_of, pair_of, setting_of
from compress.gate.quality_rules import judge_drop, judge_rate
from compress.gate.slice_rules import judge_slices
from compress.gate.wording import setting_text
from compress.recipe.budget_node import Budget
from compress.recipe.catalogue import Limit, Metric
from compress.values import Report

MEASURE = "run `distil gate --measure`"


def judge_baseline(
    report: Report,
    state: BaselineState | None,
    metric: Metric,
    budget: Budget,
    limit: Limit,
    *,
    tests: int,
) -> Finding:
    """One budget `vs: baseline`. Stored numbers of another machine or data set prove nothing."""
    if state is None:
        return no_baseline("there is nothing to compare with", "write `baseline:` in the gate file")
    if state.problem:
        return no_baseline(state.problem, state.update, state.missing)
    if budget.per_slice is not None:
        return _slices(report, state, budget, limit)
    if metric.timed:
        return _timed(report, state, budget, limit, tests)
    if metric.name in ("accuracy", "agreement", "negative_flip_rate"):
        return _answers(report, state, metric, budget, limit)
    if metric.cell and cell_of(report, BASELINE, setting_of(budget)) is None:
        return _stored_memory(report, state, metric, budget, limit)
    found = judge_exact(report, metric, budget, limit)
    return _or_measure(found, state)


def _or_measure(found: Finding, state: BaselineState, *, measurable: bool = False) -> Finding:
    """What was not measured can be, as long as the file of the baseline is there, or `measurable`
    says that it takes no file."""
    if found.status != "unmeasured":
        return found
    why = found.reason.partition("; ")[0]
    if state.has_model or measurable:
        return unmeasured(why, cure=MEASURE)
    where = f"the file of the {state.title} is absent: {state.model or 'it has no path'}"
    cure = f"restore it, or {state.update}"
    return no_baseline(f"{why}, and {where}", cure, state.missing)


def _timed(
    report: Report, state: BaselineState, budget: Budget, limit: Limit, tests: int
) -> Finding:
    """Both must have run in turns in one job: a stored time is shown and not judged."""
    found = judge_ratio(report, budget, limit, tests=tests, reference=BASELINE)
    if found.status != "unmeasured":
        return found
    then = _stored_cell(state, budget)
    shown = "" if then is None else f" (then {then.p50_ms:.3g} ms, which proves nothing now)"
    setting = setting_text(setting_of(budget))
    return _or_measure(
        unmeasured(f"{state.title} and student were not timed together on {setting}{shown}"), state
    )


def _slices(report: Report, state: BaselineState, budget: Budget, limit: Limit) -> Finding:
    known = any(one.reference == BASELINE for one in report.slices)
    tried = known or BASELINE in report.slices_absent
    return _or_answer(judge_slices(report, budget, limit), report, state, tried=tried)


def _answers(
    report: Report, state: BaselineState, metric: Metric, budget: Budget, limit: Limit
) -> Finding:
    if pair_of(report, BASELINE) is None:
        why = f"{state.title} and student were not compared on the same samples"
        return _or_answer(unmeasured(why), report, state)
    if limit.field == "max_drop":
        return judge_drop(report, limit, point=budget.test == "point", reference=BASELINE)
    return judge_rate(report, metric, limit, reference=BASELINE)


def _or_answer(
    found: Finding, report: Report, state: BaselineState, *, tried: bool = False
) -> Finding:
    """Without the file there are the stored answers, where they are of this data and machine.
    tried: they say no more than what was found."""
    stored = state.stored
    if found.status != "unmeasured" or state.has_model or stored is None:
        return _or_measure(found, state)
    data = (stored.data_fingerprint, report.data_fingerprint)
    if all(data) and data[0] != data[1]:
        reason = f"another data set: {data[0][:8]} then, {data[1][:8]} now; {state.update}"
        return Finding(status="inconclusive", reason=reason)
    judged = state.has_answers and data[1]
    if judged and (other := other_kernels(stored, answering_machine(report))):
        why = f"{other}, and a quantized file answers by its machine"
        cure = f"restore the file of the {state.title}, or {state.update}"
        return Finding(status="inconclusive", reason=f"{why}; {cure}")
    return _or_measure(found, state, measurable=state.has_answers and not tried)


def _stored_memory(
    report: Report, state: BaselineState, metric: Metric, budget: Budget, limit: Limit
) -> Finding:
    then = _stored_cell(state, budget)
    setting = setting_text(setting_of(budget))
    if then is None or state.stored is None:
        return _or_measure(unmeasured(f"the {state.title} did not run on {setting}"), state)
    other = differing(state.stored.machine, machine_of(report))
    if other:
        return Finding(status="inconclusive", reason=f"{other}; {MEASURE} to run both here")
    value = then.peak_bytes if metric.name == "memory.peak_rss" else then.peak_delta_bytes
    return judge_against(report, metric, budget, limit, value=value)


def _stored_cell(state: BaselineState, budget: Budget) -> StoredCell | None:
    cells = state.stored.cells if state.stored is not None else ()
    return next((cell for cell in cells if cell.setting == setting_of(budget)), None)
