"""Models as points of the picture of cost and accuracy: of one run, and of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from benchmarks.values import Setting
from compress.report.charts.front import Bound, Bounds, Point, Tick
from compress.report.charts.pareto import LATENCY, SIZE, Axis, pareto
from compress.report.figures import HALF, Figure, twice
from compress.report.outcome import outcome
from compress.report.subjects import (
    STUDENT,
    TEACHER,
    cell_of,
    measurement_of,
    quality_of,
    settings_of,
    subject_names,
)
from compress.values import Report


def panels(
    points: Sequence[Point],
    bounds: Bounds,
    *,
    key: str,
    about: str = "",
    ticks: Sequence[Tick] = (),
) -> tuple[Figure, Figure]:
    """Accuracy against latency and against file size, side by side on a wide screen."""

    def panel(axis: Axis, name: str) -> Figure:
        return twice(
            lambda width, k: pareto(
                points, axis=axis, bounds=bounds, ticks=ticks, width=width, key=k, about=about
            ),
            f"{key}-{name}",
            wide=HALF,
        )

    return panel(LATENCY, "latency"), panel(SIZE, "size")


def candidates_panels(report: Report, *, key: str) -> tuple[Figure, ...]:
    """Every model of one run with its budgets, at the first setting; none for fewer than two."""
    setting = next(iter(settings_of(report)), None)
    if setting is None:
        return ()
    points = [
        point
        for index, subject in enumerate(subject_names(report))
        if (point := point_of(report, subject, setting, index=index)) is not None
    ]
    if len(points) < 2:
        return ()
    return panels(points, bounds_of((report,), setting), key=f"{key}-candidates")


def overview_panels(reports: tuple[Report, ...], *, key: str) -> tuple[Figure, ...]:
    """All runs by latency, accuracy and size, at the first setting of the first run."""
    setting = next((s for r in reports for s in settings_of(r)), None)
    if setting is None:
        return ()
    points: dict[str, Point] = {}
    teachers = {m.digest for r in reports if (m := measurement_of(r, TEACHER)) is not None}
    shared = len(teachers) == 1
    for report in reports:
        for index, subject in enumerate((TEACHER, STUDENT)):
            measurement = measurement_of(report, subject)
            point = point_of(report, subject, setting, index=index)
            if measurement is None or point is None:
                continue
            name = report.name if subject == STUDENT else f"{report.name}, teacher"
            name = TEACHER if subject == TEACHER and shared else name
            # Runs that share a teacher would draw it once each, at almost the same place.
            points.setdefault(
                measurement.digest if subject == TEACHER else f"{len(points)}",
                replace(point, name=name),
            )
    drawn = tuple(points.values())
    if not drawn:
        return ()
    return panels(drawn, bounds_of(reports, setting), key=f"{key}-pareto")


def point_of(report: Report, subject: str, setting: Setting, *, index: int) -> Point | None:
    """A subject's latency, accuracy and size; None where one was not measured. met: the student
    by the verdicts of its run, any other unknown."""
    measurement, quality = measurement_of(report, subject), quality_of(report, subject)
    cell = cell_of(measurement, setting)
    if measurement is None or quality is None or cell is None:
        return None
    return Point(
        name=subject,
        index=index,
        cost=cell.latency.p50_ms,
        accuracy=quality.accuracy,
        size_bytes=measurement.size_bytes,
        met=_met(report) if subject == STUDENT else None,
    )


def bounds_of(reports: Sequence[Report], setting: Setting) -> Bounds:
    """The strictest budgets of each run that lie on the panels' axes, from least to most."""
    slowest, largest, worst = [], [], []
    for report in reports:
        lines = report.budget_lines
        slowest += _strictest(
            min,
            (b.value * 1000 for b in lines if b.metric == "latency.p50" and b.setting == setting),
        )
        largest += _strictest(min, (b.value for b in lines if b.metric == "file_bytes"))
        worst += _strictest(max, (b.value for b in lines if b.metric == "accuracy"))
    return Bounds(cost=_bound(slowest), size_bytes=_bound(largest), accuracy=_bound(worst))


def _strictest(pick: Callable[[list[float]], float], values: Iterable[float]) -> list[float]:
    found = list(values)
    return [pick(found)] if found else []


def _bound(values: list[float]) -> Bound | None:
    return Bound(low=min(values), high=max(values)) if values else None


def _met(report: Report) -> bool | None:
    status = outcome(report.verdicts).status
    return None if status is None else status in ("pass", "waived")
