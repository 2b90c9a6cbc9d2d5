"""The pictures of a run, each drawn for a wide and for a narrow screen.

A picture that is only scaled down can't be read on a phone, so it is drawn twice and the style
sheet shows the one that fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.values import Setting
from compress.gate.wording import detectable
from compress.report import quantities as q
from compress.report.charts.classes import choose, class_chart
from compress.report.charts.curves import Curve, Level, curves
from compress.report.charts.latency import (
    Calls,
    common_range,
    distribution,
    far_apart,
    positions,
)
from compress.report.charts.sizes import size_chart
from compress.report.subjects import (
    STUDENT,
    TEACHER,
    cell_of,
    comparison_of,
    measurement_of,
    pair_of,
    setting_words,
    settings_of,
    speed_words,
    subject_names,
)
from compress.values import Epoch, Report

WIDE, HALF, THIRD, NARROW = 944.0, 456.0, 296.0, 342.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The same picture twice; narrow is empty where one drawing fits both."""

    wide: str
    narrow: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyFigures:
    """One setting: where the models lie, and how the calls of teacher and student spread."""

    heading: str
    sentence: str
    positions: Figure
    distributions: tuple[Figure, ...]
    own_axes: bool


def latency_figures(report: Report, *, key: str) -> tuple[LatencyFigures, ...]:
    """One group per setting whose raw samples are at hand."""
    groups = []
    for place, setting in enumerate(settings_of(report)):
        models = _calls(report, setting)
        if models:
            groups.append(_latency_group(report, setting, models, f"{key}-latency{place}"))
    return tuple(groups)


def class_figure(report: Report, *, key: str) -> tuple[Figure, int] | None:
    """Accuracy per class and the number of classes left out of the picture."""
    pair = pair_of(report, STUDENT)
    if pair is None or not pair.classes:
        return None
    chosen = choose(pair.classes)
    figure = twice(lambda width, k: class_chart(chosen, width=width, key=k), f"{key}-classes")
    return figure, chosen.left_out


def training_figures(report: Report, *, key: str) -> tuple[Figure, ...]:
    """Training loss, validation loss and validation accuracy; the control's are dashed."""
    runs = [
        (name, index, history.epochs)
        for name, index, history in (
            (STUDENT, 1, report.history),
            ("control", 3, report.control_history),
        )
        if history is not None and history.epochs
    ]
    if not runs:
        return ()
    teacher = next((s.validation_accuracy for s in report.sizes if s.stage == TEACHER), None)
    level = Level(name="teacher", index=0, value=teacher) if teacher is not None else None

    # A report of embeddings has no classes; its epochs were judged by similarities.
    judged, tick = ("Validation accuracy", _percent_tick)
    if not report.classes:
        judged, tick = ("Validation Spearman", _loss_tick)

    def panel(title: str, value: Callable[[Epoch], float], words: Callable[[float], str]) -> str:
        accuracy = title == judged
        return curves(
            tuple(
                Curve(
                    name=name,
                    index=index,
                    values=tuple(map(value, epochs)),
                    dashed=index != 1,
                )
                for name, index, epochs in runs
            ),
            title=title,
            words=words,
            width=THIRD,
            key=f"{key}-{title.lower().replace(' ', '-')}",
            level=level if accuracy else None,
        )

    return tuple(
        Figure(wide=drawn)
        for drawn in (
            panel(judged, lambda e: e.validation_accuracy, tick),
            panel("Validation loss", lambda e: e.validation_loss, _loss_tick),
            panel("Training loss", lambda e: e.train_loss, _loss_tick),
        )
    )


def size_figure(report: Report, *, key: str) -> Figure | None:
    """File size at each stop."""
    if not report.sizes:
        return None
    return twice(lambda width, k: size_chart(report.sizes, width=width, key=k), f"{key}-sizes")


def twice(draw: Callable[[float, str], str], key: str, *, wide: float = WIDE) -> Figure:
    """A picture for a wide screen and for a phone. draw: (width, key) -> SVG."""
    return Figure(wide=draw(wide, key), narrow=draw(NARROW, f"{key}-narrow"))


def _latency_group(
    report: Report, setting: Setting, models: tuple[Calls, ...], key: str
) -> LatencyFigures:
    words = setting_words(setting)
    main = tuple(m for m in models if m.subject in (TEACHER, STUDENT)) or models[:2]
    shown = common_range(main)
    return LatencyFigures(
        heading=words[0].upper() + words[1:],
        sentence=_sentence(report, setting, min(m.p50_ms for m in models)),
        positions=twice(
            lambda width, k: positions(models, width=width, key=k, setting=words), f"{key}-where"
        ),
        distributions=tuple(
            twice(
                lambda width, k, m=m: distribution(  # type: ignore[misc]
                    m, width=width, key=k, setting=words, shown=shown
                ),
                f"{key}-spread{i}",
                wide=HALF,
            )
            for i, m in enumerate(main)
        ),
        own_axes=far_apart(main),
    )


def _sentence(report: Report, setting: Setting, fastest_ms: float) -> str:
    """How teacher and student compare, what else could have been seen, and what a call costs."""
    said = []
    found = comparison_of(report, STUDENT, setting)
    if found is not None and found.verdict == "identical":
        said.append("Student and teacher are the same bytes: they were not timed apart.")
    elif found is not None:
        said.append(
            f"The student is {speed_words(found.speedup)} than the teacher "
            f"({q.significant(found.speedup_low)} to {q.times(found.speedup_high)}, "
            f"nominal 95 %, {len(found.log_ratios)} interleaved pairs of fresh processes; "
            f"{detectable(found)})."
        )
    floor = report.measured.floor_beside(fastest_ms, setting) if report.measured else None
    if floor is not None:
        said.append(
            f"An empty model takes {q.milliseconds(floor)} per call: no network can be faster."
        )
    return " ".join(said)


def _calls(report: Report, setting: Setting) -> tuple[Calls, ...]:
    found = []
    for index, subject in enumerate(subject_names(report)):
        cell = cell_of(measurement_of(report, subject), setting)
        if cell is not None and any(cell.latency.samples_ns):
            found.append(
                Calls(
                    subject=subject,
                    index=index,
                    epochs_ms=tuple(
                        tuple(v / 1e6 for v in epoch) for epoch in cell.latency.samples_ns
                    ),
                    p50_ms=cell.latency.p50_ms,
                    p95_ms=cell.latency.p95_ms,
                )
            )
    return tuple(found)


def _percent_tick(value: float) -> str:
    return f"{value * 100:.4g} %"


def _loss_tick(value: float) -> str:
    return f"{value:.3g}"
