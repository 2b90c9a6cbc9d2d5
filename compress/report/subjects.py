"""Who a report speaks of, and where to find a subject's numbers in it."""

from __future__ import annotations

from benchmarks.values import Cell, Comparison, Measurement, Setting
from compress.report import quantities as q
from compress.values import PairedQuality, Quality, Report

TEACHER, STUDENT = "teacher", "student"


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


def floor_words(report: Report, ms: float | None, setting: Setting) -> str:
    """What an empty model takes, 5.20 us; empty from 1 ms on, and where none was timed."""
    floor = report.measured.floor_beside(ms, setting) if report.measured else None
    return "" if floor is None else q.milliseconds(floor)
