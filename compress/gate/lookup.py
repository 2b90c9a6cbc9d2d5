"""Finding a subject's numbers in a report."""

from __future__ import annotations

from benchmarks.values import Cell, Comparison, Measurement, Setting
from compress.recipe.nodes import Budget
from compress.values import PairedQuality, Quality, Report

STUDENT = "student"
TEACHER = "teacher"


def setting_of(budget: Budget) -> Setting:
    """The cell that a budget speaks of."""
    return Setting(device=budget.on, threads=budget.threads, batch=budget.batch)


def measurement_of(report: Report, subject: str) -> Measurement | None:
    """What was measured of a subject's file."""
    found = report.measured.measurements if report.measured else ()
    return next((m for m in found if m.subject == subject), None)


def cell_of(report: Report, subject: str, setting: Setting) -> Cell | None:
    """A subject at one setting."""
    measurement = measurement_of(report, subject)
    cells = measurement.cells if measurement else ()
    return next((cell for cell in cells if cell.setting == setting), None)


def comparison_of(report: Report, setting: Setting) -> Comparison | None:
    """Student against teacher at one setting, from one interleaved run."""
    found = report.measured.comparisons if report.measured else ()
    return next(
        (c for c in found if (c.reference, c.candidate, c.setting) == (TEACHER, STUDENT, setting)),
        None,
    )


def pair_of(report: Report) -> PairedQuality | None:
    """Student against teacher on the same samples."""
    return next((p for p in report.pairs if (p.reference, p.candidate) == (TEACHER, STUDENT)), None)


def quality_of(report: Report, subject: str) -> Quality | None:
    """Test accuracy of a subject."""
    return next((q for q in report.qualities if q.subject == subject), None)


def size_of(report: Report, subject: str) -> int | None:
    """Bytes of a subject's file: as measured, else as the last stage that made it wrote it."""
    measurement = measurement_of(report, subject)
    if measurement is not None:
        return measurement.size_bytes
    made = [step for step in report.sizes if step.stage.split(" ")[0] == subject]
    return made[-1].size_bytes if made else None
