"""Teacher, student and control rows side by side: the one table that every format shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.values import Cell, Comparison, Measurement, Setting
from compress.report import quantities as q
from compress.report.fidelity import fidelity_detail, fidelity_of, spearman_words
from compress.values import PairedQuality, Quality, Report

TEACHER, STUDENT = "teacher", "student"
Direction = Literal["better", "worse", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One number. change compares it with the teacher's; empty where that says nothing."""

    text: str
    change: str = ""
    interval: str = ""
    direction: Direction = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """label and detail say what is measured and how; one entry per subject, None: not measured."""

    label: str
    detail: str
    entries: tuple[Entry | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectTable:
    """Columns are subjects: teacher, student, then the controls."""

    subjects: tuple[str, ...]
    rows: tuple[Row, ...]


def subject_table(report: Report) -> SubjectTable:
    """Everything measured of every subject, each against the teacher."""
    subjects = subject_names(report)
    rows = [
        *_quality_rows(report, subjects),
        *_fidelity_rows(report, subjects),
        *_latency_rows(report, subjects),
        *_resource_rows(report, subjects),
    ]
    return SubjectTable(
        subjects=subjects, rows=tuple(r for r in rows if any(e is not None for e in r.entries))
    )


def subject_names(report: Report) -> tuple[str, ...]:
    """Teacher and student first, controls in the order in which the report has them."""
    measured = report.measured.measurements if report.measured else ()
    found = dict.fromkeys([*(m.subject for m in measured), *(s.subject for s in report.qualities)])
    main = [name for name in (TEACHER, STUDENT) if name in found]
    return (*main, *(name for name in found if name not in main))


def quality_of(report: Report, subject: str) -> Quality | None:
    """Test accuracy of a subject."""
    return next((s for s in report.qualities if s.subject == subject), None)


def pair_of(report: Report, subject: str) -> PairedQuality | None:
    """A subject against the teacher on the same samples."""
    return next(
        (p for p in report.pairs if p.candidate == subject and p.reference == TEACHER), None
    )


def measurement_of(report: Report, subject: str) -> Measurement | None:
    """What was measured of a subject's file."""
    if report.measured is None:
        return None
    return next((m for m in report.measured.measurements if m.subject == subject), None)


def cell_of(measurement: Measurement | None, setting: Setting) -> Cell | None:
    """The cell of a measurement at a setting."""
    if measurement is None:
        return None
    return next((c for c in measurement.cells if c.setting == setting), None)


def comparison_of(report: Report, subject: str, setting: Setting) -> Comparison | None:
    """A subject's paired comparison with the teacher at a setting."""
    if report.measured is None:
        return None
    return next(
        (
            c
            for c in report.measured.comparisons
            if c.candidate == subject and c.reference == TEACHER and c.setting == setting
        ),
        None,
    )


def settings_of(report: Report) -> tuple[Setting, ...]:
    """Every setting that was timed, in order."""
    if report.measured is None:
        return ()
    return tuple(dict.fromkeys(c.setting for m in report.measured.measurements for c in m.cells))


def setting_words(setting: Setting) -> str:
    """batch 1, 1 thread, cpu."""
    threads = "1 thread" if setting.threads == 1 else f"{setting.threads} threads"
    return f"batch {setting.batch}, {threads}, {setting.device}"


def speed_words(speedup: float) -> str:
    """13.2x faster, 1.40x slower."""
    return q.times_less(speedup, 1.0, "faster", "slower")


def _direction(gain: float) -> Direction:
    """gain: how many times better; the nearest percent is the same."""
    return "better" if gain > 1.01 else "worse" if gain < 0.99 else "same"


def _quality_rows(report: Report, subjects: tuple[str, ...]) -> list[Row]:
    def accuracy(subject: str) -> Entry | None:
        quality, pair = quality_of(report, subject), pair_of(report, subject)
        if quality is None:
            return None
        return Entry(
            text=q.percent(quality.accuracy),
            interval=f"{quality.accuracy_low * 100:.2f} to {quality.accuracy_high * 100:.2f} %",
            change=q.points(pair.difference) if pair else "",
            direction=_points_direction(pair.difference) if pair else "same",
        )

    def agreement(subject: str) -> Entry | None:
        pair = pair_of(report, subject)
        return Entry(text=q.percent(pair.agreement)) if pair else None

    samples = report.qualities[0].samples if report.qualities else 0
    return [
        Row(
            label="Test accuracy",
            detail=f"{q.count(samples)} samples, 95 % interval",
            entries=tuple(map(accuracy, subjects)),
        ),
        Row(
            label="Agreement with teacher",
            detail="same answer on the same sample",
            entries=tuple(map(agreement, subjects)),
        ),
    ]


def _fidelity_rows(report: Report, subjects: tuple[str, ...]) -> list[Row]:
    def similarities(subject: str) -> Entry | None:
        found = fidelity_of(report, subject)
        if found is None:
            return None
        text, interval = spearman_words(found)
        return Entry(text=text, interval=interval)

    def neighbours(subject: str) -> Entry | None:
        found = fidelity_of(report, subject)
        return None if found is None else Entry(text=q.percent(found.neighbours_kept))

    return [
        Row(
            label="Spearman with teacher",
            detail=fidelity_detail(report),
            entries=tuple(map(similarities, subjects)),
        ),
        Row(
            label="Nearest 10 kept",
            detail="of each sample, among the others",
            entries=tuple(map(neighbours, subjects)),
        ),
    ]


def _points_direction(difference: float) -> Direction:
    return "better" if difference > 0 else "worse" if difference < 0 else "same"


def _latency_rows(report: Report, subjects: tuple[str, ...]) -> list[Row]:
    def row(setting: Setting, label: str, value: str) -> Row:
        reference = cell_of(measurement_of(report, TEACHER), setting)

        def entry(subject: str) -> Entry | None:
            cell = cell_of(measurement_of(report, subject), setting)
            number = getattr(cell.latency, value) if cell else None
            if number is None:
                return None
            if value == "throughput_per_s":
                return _against(subject, reference, number, q.per_second(number), value)
            text = q.milliseconds(number)
            comparison = comparison_of(report, subject, setting)
            if value == "p50_ms" and comparison is not None:
                low, high = comparison.speedup_low, comparison.speedup_high
                return Entry(
                    text=text,
                    change=speed_words(comparison.speedup),
                    interval=f"{q.significant(low)} to {q.times(high)}",
                    direction=_direction(comparison.speedup),
                )
            return _against(subject, reference, number, text, value)

        return Row(label=label, detail=setting_words(setting), entries=tuple(map(entry, subjects)))

    return [
        row(setting, label, value)
        for setting in settings_of(report)
        for label, value in (
            ("Latency p50", "p50_ms"),
            ("Latency p95", "p95_ms"),
            ("Throughput", "throughput_per_s"),
        )
    ]


def _against(subject: str, reference: Cell | None, number: float, text: str, value: str) -> Entry:
    base = getattr(reference.latency, value) if reference else None
    if base is None or subject == TEACHER or number <= 0 or base <= 0:
        return Entry(text=text)
    gain = number / base if value == "throughput_per_s" else base / number
    words = f"{q.times(gain)}" if value == "throughput_per_s" else speed_words(gain)
    return Entry(text=text, change=words, direction=_direction(gain))


def _resource_rows(report: Report, subjects: tuple[str, ...]) -> list[Row]:
    teacher = measurement_of(report, TEACHER)

    def entry(
        subject: str, value: float | None, base: float | None, text: str, words: tuple[str, str]
    ) -> Entry | None:
        if value is None:
            return None
        if subject == TEACHER or base is None or value <= 0 or base <= 0:
            return Entry(text=text)
        return Entry(
            text=text,
            change=q.times_less(base, value, *words),
            direction=_direction(base / value),
        )

    def memory(subject: str, setting: Setting) -> Entry | None:
        cell, base = cell_of(measurement_of(report, subject), setting), cell_of(teacher, setting)
        peak = cell.memory.peak_delta_bytes if cell else None
        return entry(
            subject,
            peak,
            base.memory.peak_delta_bytes if base else None,
            q.size(peak or 0),
            ("less", "more"),
        )

    def cold(subject: str) -> Entry | None:
        start, base = _cold_ms(measurement_of(report, subject)), _cold_ms(teacher)
        return entry(subject, start, base, q.milliseconds(start or 0), ("faster", "slower"))

    def file_size(subject: str) -> Entry | None:
        measurement = measurement_of(report, subject)
        return entry(
            subject,
            measurement.size_bytes if measurement else None,
            teacher.size_bytes if teacher else None,
            q.size(measurement.size_bytes if measurement else 0),
            ("smaller", "larger"),
        )

    return [
        *(
            Row(
                label="Peak memory",
                detail=f"above the runtime's own, {setting_words(setting)}",
                entries=tuple(memory(subject, setting) for subject in subjects),
            )
            for setting in settings_of(report)
        ),
        Row(
            label="Cold start",
            detail="fresh process: session and first call",
            entries=tuple(map(cold, subjects)),
        ),
        Row(label="File size", detail="ONNX file", entries=tuple(map(file_size, subjects))),
    ]


def _cold_ms(measurement: Measurement | None) -> float | None:
    if measurement is None:
        return None
    return measurement.cold_start.session_ms + measurement.cold_start.first_call_ms
