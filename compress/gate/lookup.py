"""Finding a subject's numbers in a report."""

from __future__ import annotations

from benchmarks.values import Cell, Comparison, Measurement, Setting
from compress.recipe.budget_node import Budget
from compress.values import ModelFacts, PairedQuality, Quality, Report

STUDENT = "student"
TEACHER = "teacher"
BASELINE = "baseline"
_CPU = "CPUExecutionProvider"


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


def fallen_nodes(cell: Cell) -> tuple[str, ...] | None:
    """Nodes that a GPU left to the CPU; those that TensorRT leaves to CUDA are none. None where it
    is not known."""
    if cell.fallback_nodes is None:
        return None
    return tuple(node for node in cell.fallback_nodes if node.endswith(f" on {_CPU}"))


def comparison_of(report: Report, setting: Setting, reference: str = TEACHER) -> Comparison | None:
    """Student against a reference at one setting, from one interleaved run."""
    found = report.measured.comparisons if report.measured else ()
    return next(
        (
            c
            for c in found
            if (c.reference, c.candidate, c.setting) == (reference, STUDENT, setting)
        ),
        None,
    )


def pair_of(report: Report, reference: str = TEACHER) -> PairedQuality | None:
    """Student against a reference on the same samples."""
    return next(
        (p for p in report.pairs if (p.reference, p.candidate) == (reference, STUDENT)), None
    )


def quality_of(report: Report, subject: str) -> Quality | None:
    """Test accuracy of a subject."""
    return next((q for q in report.qualities if q.subject == subject), None)


def model_of(report: Report, subject: str) -> ModelFacts | None:
    """What a subject's file is made of."""
    return next((facts for facts in report.models if facts.subject == subject), None)


def digest_of(report: Report, subject: str) -> str | None:
    """SHA-256 of a subject's file as it was measured or looked into; None where it was not."""
    measurement, facts = measurement_of(report, subject), model_of(report, subject)
    if measurement is not None and measurement.digest:
        return measurement.digest
    return facts.digest if facts is not None else None


def size_of(report: Report, subject: str) -> int | None:
    """Bytes of a subject's file: as measured, else as the last stage that made it wrote it."""
    measurement, facts = measurement_of(report, subject), model_of(report, subject)
    if measurement is not None and measurement.digest:  # "" where only its times are known
        return measurement.size_bytes
    if facts is not None:
        return facts.size_bytes
    made = [step for step in report.sizes if step.stage.split(" ")[0] == subject]
    return made[-1].size_bytes if made else None
