"""Teacher, student and control rows side by side: the one table that every format shows."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.values import Measurement, Setting
from compress.report import quantities as q
from compress.report.entries import Direction, Entry, Row, direction_of
from compress.report.fidelity import fidelity_detail, fidelity_of, spearman_words
from compress.report.speed_rows import speed_rows
from compress.report.subjects import (
    TEACHER,
    cell_of,
    measurement_of,
    pair_of,
    quality_of,
    setting_words,
    settings_of,
    subject_names,
)
from compress.values import Report


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
        *speed_rows(report, subjects),
        *_resource_rows(report, subjects),
    ]
    return SubjectTable(
        subjects=subjects, rows=tuple(r for r in rows if any(e is not None for e in r.entries))
    )


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

    def flips(subject: str) -> Entry | None:
        pair = pair_of(report, subject)
        if pair is None:
            return None
        upper = f"at most {q.percent(pair.negative_flip_rate_upper)}"
        return Entry(text=q.percent(pair.negative_flip_rate), change=upper)

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
        Row(
            label="Negative flips",
            detail="the teacher is right and it is wrong; one-sided 95 % bound",
            entries=tuple(map(flips, subjects)),
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
            direction=direction_of(base / value),
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
