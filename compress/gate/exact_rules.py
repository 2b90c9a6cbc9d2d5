"""Budgets on numbers without noise (bytes, counts, parity), and on single readings (memory)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from benchmarks.values import Contents
from compress.gate.finding import Finding, unmeasured
from compress.gate.lookup import (
    STUDENT,
    cell_of,
    fallen_nodes,
    measurement_of,
    model_of,
    setting_of,
    size_of,
)
from compress.gate.wording import WRITERS, apart, percent, points, setting_text, signed, times
from compress.recipe.budget_node import Budget
from compress.recipe.catalogue import EXACT, METRICS, Limit, Metric
from compress.values import ModelFacts, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One number in base units (bytes, seconds, a fraction, a count), and how it was read."""

    value: float
    how: str


def judge_exact(report: Report, metric: Metric, budget: Budget, limit: Limit) -> Finding:
    """The student's number against a limit, or against that of teacher or baseline."""
    found = _read(report, metric, budget, STUDENT)
    if isinstance(found, Finding):
        return found
    if budget.vs is None:
        return _absolute(metric, found, limit)
    reference = _read(report, metric, budget, budget.vs)
    if isinstance(reference, Finding):
        return reference
    if reference.value <= 0:
        written = WRITERS[metric.unit](reference.value, 3)
        return unmeasured(f"the {budget.vs}'s {metric.name} is {written}: no ratio")
    return _relative(metric, found, reference, limit)


def judge_against(
    report: Report, metric: Metric, budget: Budget, limit: Limit, *, value: float
) -> Finding:
    """The student's number against a stored one in base units, which is above 0."""
    found = _read(report, metric, budget, STUDENT)
    if isinstance(found, Finding):
        return found
    if value <= 0:
        return unmeasured(f"the stored {metric.name} is {value:g}: no ratio")
    return _relative(metric, found, _Reading(value=value, how="stored"), limit)


def exact_value(report: Report, budget: Budget) -> float | None:
    """The student's number in the limit's own unit, where it has no noise; None elsewhere."""
    metric = METRICS[budget.metric]
    if metric.name not in EXACT:
        return None
    found = _read(report, metric, budget, STUDENT)
    reference = None if budget.vs is None else _read(report, metric, budget, budget.vs)
    if isinstance(found, Finding) or isinstance(reference, Finding):
        return None
    if reference is None:
        return found.value
    return found.value / reference.value if reference.value > 0 else None


def _absolute(metric: Metric, found: _Reading, limit: Limit) -> Finding:
    write = WRITERS[metric.unit]
    room = found.value - limit.value if limit.field == "min" else limit.value - found.value
    return Finding(
        status="pass" if room >= 0 else "violated",
        observed=apart(write, found.value, limit.value),
        margin=signed(write(room, 3)),
        reason=found.how,
    )


def _relative(metric: Metric, found: _Reading, reference: _Reading, limit: Limit) -> Finding:
    write = WRITERS[metric.unit]
    both = f"{write(reference.value, 3)} -> {write(found.value, 3)}, {found.how}"
    ratio = Fraction(found.value) / Fraction(reference.value)
    # The limit as it is written: 0.07 times 100 bytes is 7 bytes, and not a bit more.
    allowed = Fraction(repr(limit.value))
    if limit.field == "max_increase":
        room = allowed - (ratio - 1)
        observed, margin = signed(apart(percent, ratio - 1, allowed)), points(room)
    else:
        room = allowed - ratio
        observed, margin = apart(times, ratio, allowed), times(room)
    return Finding(
        status="pass" if room >= 0 else "violated",
        observed=observed,
        margin=signed(margin),
        reason=both,
    )


def _read(report: Report, metric: Metric, budget: Budget, subject: str) -> _Reading | Finding:
    match metric.name:
        case "file_bytes":
            size = size_of(report, subject)
            if size is None:
                return unmeasured(f"the {subject}'s file was not measured")
            return _Reading(value=size, how=f"bytes of the {subject}'s ONNX file")
        case "params" | "macs":
            return _counted(report, metric.name, subject)
        case "memory.peak_rss" | "memory.peak_rss_delta":
            return _memory(report, metric.name, budget, subject)
        case "cpu_nodes":
            return _cpu_nodes(report, budget, subject)
        case "cold_start.session" | "cold_start.first_call":
            return _cold_start(report, metric.name, subject)
        case "parity.max_abs_diff" | "parity.top1_agreement":
            return _parity(report, metric.name)
        case _:
            return unmeasured(f"{metric.name} is not measured by this version")


def _counted(report: Report, name: str, subject: str) -> _Reading | Finding:
    """From the file where it was looked into, else from the training of the student."""
    facts: ModelFacts | Contents | None = model_of(report, subject)
    measurement = measurement_of(report, subject)
    if facts is None and measurement is not None:
        facts = measurement.contents
    how = "multiply-accumulates of one sample" if name == "macs" else f"parameters of the {subject}"
    if facts is not None:
        if name == "params":
            return _Reading(value=facts.parameters, how=how)
        if facts.macs is not None:
            return _Reading(value=facts.macs, how=how)
        return unmeasured(f"the {subject}'s file leaves shapes open: its MACs can't be counted")
    if report.history is None or subject != STUDENT:
        return unmeasured(f"the {subject}'s file was not looked into")
    counted = report.history.parameters if name == "params" else report.history.macs
    return _Reading(value=counted, how=how)


def _memory(report: Report, name: str, budget: Budget, subject: str) -> _Reading | Finding:
    setting = setting_of(budget)
    cell = cell_of(report, subject, setting)
    if cell is None or not cell.memory.peak_bytes:
        cure = "add it to `bench` and run `distil run recipe.yaml`"
        return unmeasured(f"the {subject} did not run on {setting_text(setting)}", cure=cure)
    if name == "memory.peak_rss":
        value, above = cell.memory.peak_bytes, ""
    else:
        value, above = cell.memory.peak_delta_bytes, " above the runtime's own"
    how = f"VmHWM of a fresh process{above}, {setting_text(setting)}"
    return _Reading(value=value, how=how)


def _cpu_nodes(report: Report, budget: Budget, subject: str) -> _Reading | Finding:
    setting = setting_of(budget)
    cell = cell_of(report, subject, setting)
    fallen = None if cell is None else fallen_nodes(cell)
    if fallen is None:
        cure = "add it to `bench`; onnxruntime 1.24 or newer tells where nodes run"
        return unmeasured(f"where nodes run on {setting_text(setting)} is not known", cure=cure)
    named = f": {', '.join(fallen[:4])}" if fallen else ""
    return _Reading(value=len(fallen), how=f"nodes on the CPU, {setting_text(setting)}{named}")


def _cold_start(report: Report, name: str, subject: str) -> _Reading | Finding:
    measurement = measurement_of(report, subject)
    if measurement is None or not measurement.cold_start.samples:
        return unmeasured(f"the {subject}'s cold start was not measured")
    cold = measurement.cold_start
    value = cold.session_ms if name == "cold_start.session" else cold.first_call_ms
    return _Reading(value=value / 1000, how=f"median of {cold.samples} fresh processes")


def _parity(report: Report, name: str) -> _Reading | Finding:
    if report.export is None:
        return unmeasured("no file was exported in this run")
    parity = report.export.parity
    value = parity.max_abs_diff if name == "parity.max_abs_diff" else parity.top1_agreement
    batches = ", ".join(map(str, parity.batches))
    how = f"exported file against the torch student, {parity.samples} samples, batches {batches}"
    return _Reading(value=value, how=how)
