"""Slices, other metrics, the ledger and what each step added, in words for every format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compress.gate.slice_rules import slice_name, slice_part, tested
from compress.report import quantities as q
from compress.report.subjects import STUDENT, pair_of
from compress.values import MetricChange, Part, Report, Slice, Status

_LABELS = {
    "macro_f1": "Macro F1",
    "worst_class_accuracy": "Worst class",
    "nll": "Log loss (nats)",
    "brier": "Brier score",
    "ece": "Calibration error",
}
_PERCENT = frozenset({"macro_f1", "worst_class_accuracy", "ece"})
_NAMED = 5  # slices in a sentence; the table has all


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """status: a verdict's word, empty where no budget gives a drop to hold it against."""

    name: str
    status: Status | Literal[""]
    words: str  # the status as it is shown
    samples: int
    reference_accuracy: float
    candidate_accuracy: float
    change: float
    lost: int
    gained: int
    how: str
    lost_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric of teacher and student."""

    label: str
    reference: str
    candidate: str
    change: str
    interval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One stop on the way of accuracy."""

    stop: str
    accuracy: str
    change: str
    flips: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedRow:
    """What one step did."""

    step: str
    change: str
    interval: str
    flips: str


def slice_rows(report: Report) -> tuple[SliceRow, ...]:
    """Worst first: the most certain regression, or without a drop to test the largest."""
    if report.slice_drop is None:
        ordered = sorted(report.slices, key=lambda s: (s.gained - s.lost) / s.samples)
        return tuple(_slice(one, None) for one in ordered)
    tests = tested(report.slices, report.slice_drop)
    return tuple(_slice(test.slice, slice_part(test, report.slice_drop)) for test in tests)


def _slice(one: Slice, part: Part | None) -> SliceRow:
    return SliceRow(
        name=slice_name(one),
        status="" if part is None else part.status,
        words="" if part is None else _words(part.status, warning=part.warning),
        samples=one.samples,
        reference_accuracy=one.reference_right / one.samples,
        candidate_accuracy=one.candidate_right / one.samples,
        change=(one.gained - one.lost) / one.samples,
        lost=one.lost,
        gained=one.gained,
        how="" if part is None else part.reason,
        lost_ids=one.lost_ids,
    )


def slices_sentence(report: Report, rows: tuple[SliceRow, ...]) -> str:
    """How many are worse than the drop they are held against, which could not be told, and how
    that was found."""
    if not rows:
        return ""
    if report.slice_drop is None:
        return f"{len(rows)} slices; no budget limits a drop of accuracy, so none is judged."
    drop = f"{report.slice_drop * 100:.4g} pp"
    worse = sum(row.words == "violated" for row in rows)
    warned = sum(row.status == "violated" for row in rows) - worse
    small = [row.name for row in rows if row.status == "inconclusive"]
    said = f"{worse} of {len(rows)} slices lose more than {drop}"
    if warned:
        said += f", {warned} more likely (warning)"
    if small:
        more = f" and {len(small) - _NAMED} more" if len(small) > _NAMED else ""
        named = ", ".join(small[:_NAMED])
        said += f"; {len(small)} inconclusive (too few samples): {named}{more}"
    how = "Holm at 5 %, warnings at a false discovery rate of 10 %"
    return f"{said}. Corrected for their number: {how}."


def metric_rows(report: Report) -> tuple[MetricRow, ...]:
    """Teacher against student on what accuracy does not tell; empty without a teacher."""
    pair = pair_of(report, STUDENT)
    if pair is None:
        return ()
    return tuple(_metric(m) for m in pair.metrics if m.metric in _LABELS)


def ledger_rows(report: Report) -> tuple[LedgerRow, ...]:
    """Validation accuracy at each stop, and what changed from the one before."""
    rows = []
    for place, step in enumerate(report.ledger):
        change = step.accuracy - report.ledger[place - 1].accuracy if place else None
        flips = ""
        if step.lost is not None and step.gained is not None:
            flips = f"{q.count(step.lost)} lost, {q.count(step.gained)} gained"
        rows.append(
            LedgerRow(
                stop=step.stop,
                accuracy=q.percent(step.accuracy),
                change="" if change is None else q.points(change),
                flips=flips,
            )
        )
    return tuple(rows)


def added_rows(report: Report) -> tuple[AddedRow, ...]:
    """What distillation and quantization each added on test."""
    return tuple(
        AddedRow(
            step=one.step,
            change=q.points(one.difference),
            interval=f"{q.points(one.difference_low_bound)} to "
            f"{q.points(one.difference_high_bound)}",
            flips=f"{q.count(one.lost)} lost, {q.count(one.gained)} gained",
        )
        for one in report.added
    )


def _words(status: str, *, warning: bool) -> str:
    if status == "inconclusive":
        return "inconclusive (too few samples)"
    return f"{status} (warning)" if warning else status


def _metric(change: MetricChange) -> MetricRow:
    percent = change.metric in _PERCENT

    def number(value: float) -> str:
        return q.percent(value) if percent else f"{value:.4f}"

    def moved(value: float) -> str:
        return q.points(value) if percent else f"{value:+.4f}"

    return MetricRow(
        label=_LABELS[change.metric],
        reference=number(change.reference_value),
        candidate=number(change.candidate_value),
        change=moved(change.difference),
        interval=f"{moved(change.difference_low)} to {moved(change.difference_high)}",
    )
