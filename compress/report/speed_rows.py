"""Latency and throughput of every subject, a row each per setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from benchmarks.values import Cell
from compress.gate.wording import detectable
from compress.report import quantities as q
from compress.report.entries import Entry, Row, direction_of
from compress.report.subjects import (
    TEACHER,
    cell_of,
    comparison_of,
    floor_words,
    measurement_of,
    setting_words,
    settings_of,
    speed_words,
)
from compress.values import Report

P50, P95 = "Latency p50", "Latency p95"
_Time = Literal["p50_ms", "p95_ms"]


def speed_rows(report: Report, subjects: tuple[str, ...]) -> Iterator[Row]:
    """Each subject against the teacher: p50 by the paired comparison, the others by the numbers."""
    for setting in settings_of(report):
        cells = [cell_of(measurement_of(report, subject), setting) for subject in subjects]
        teacher = cell_of(measurement_of(report, TEACHER), setting)
        named = list(zip(subjects, cells, strict=True))
        for label, entries in (
            (P50, [_p50(report, subject, cell, teacher) for subject, cell in named]),
            (P95, [_time(report, subject, cell, teacher, "p95_ms") for subject, cell in named]),
            ("Throughput", [_throughput(subject, cell, teacher) for subject, cell in named]),
        ):
            yield Row(label=label, detail=setting_words(setting), entries=tuple(entries))


def _p50(report: Report, subject: str, cell: Cell | None, teacher: Cell | None) -> Entry | None:
    found = None if cell is None else comparison_of(report, subject, cell.setting)
    if cell is None or found is None:
        return _time(report, subject, cell, teacher, "p50_ms")
    return Entry(
        text=q.milliseconds(cell.latency.p50_ms),
        change=speed_words(found.speedup),
        interval=f"{q.significant(found.speedup_low)} to {q.times(found.speedup_high)}",
        direction=direction_of(found.speedup),
        floor=floor_words(report, cell.latency.p50_ms, cell.setting),
        seen=detectable(found),
    )


def _time(
    report: Report, subject: str, cell: Cell | None, teacher: Cell | None, which: _Time
) -> Entry | None:
    ms: float | None = None if cell is None else getattr(cell.latency, which)
    if cell is None or ms is None:
        return None
    base: float | None = None if teacher is None else getattr(teacher.latency, which)
    text, floor = q.milliseconds(ms), floor_words(report, ms, cell.setting)
    if subject == TEACHER or base is None or ms <= 0 or base <= 0:
        return Entry(text=text, floor=floor)
    return Entry(
        text=text, change=speed_words(base / ms), direction=direction_of(base / ms), floor=floor
    )


def _throughput(subject: str, cell: Cell | None, teacher: Cell | None) -> Entry | None:
    if cell is None:
        return None
    rate = cell.latency.throughput_per_s
    base = None if teacher is None else teacher.latency.throughput_per_s
    if subject == TEACHER or base is None or rate <= 0 or base <= 0:
        return Entry(text=q.per_second(rate))
    gain = rate / base
    return Entry(text=q.per_second(rate), change=q.times(gain), direction=direction_of(gain))
