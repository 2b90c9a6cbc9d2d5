"""Three numbers that say what a run gained and what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from compress.report import quantities as q
from compress.report.entries import Direction
from compress.report.fidelity import fidelity_of, spearman_words
from compress.report.subjects import (
    STUDENT,
    TEACHER,
    cell_of,
    comparison_of,
    floor_words,
    measurement_of,
    pair_of,
    quality_of,
    setting_words,
    settings_of,
    speed_words,
)
from compress.values import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Highlight:
    """number is what is read across the room; detail is where it comes from.

    gain: how many times better than the teacher, to sort by; None where there is no teacher.
    """

    label: str
    number: str
    words: str
    detail: str
    direction: Direction
    gain: float | None = None


def highlights(report: Report) -> tuple[Highlight, ...]:
    """Speed, size and accuracy; what was not measured is left out."""
    found = (_speed(report), _size(report), _accuracy(report), _fidelity(report))
    return tuple(h for h in found if h is not None)


def _split(words: str) -> tuple[str, str]:
    number, _, rest = words.partition(" ")
    return number, rest


def _speed(report: Report) -> Highlight | None:
    setting = next(iter(settings_of(report)), None)
    student = cell_of(measurement_of(report, STUDENT), setting) if setting else None
    if setting is None or student is None:
        return None
    teacher = cell_of(measurement_of(report, TEACHER), setting)
    mine = q.milliseconds(student.latency.p50_ms)
    floor = floor_words(report, student.latency.p50_ms, setting)
    beside = f" (empty model: {floor})" if floor else ""
    where = setting_words(setting)
    if teacher is None:
        return Highlight(
            label="Speed", number=mine, words="", detail=where + beside, direction="same"
        )
    comparison = comparison_of(report, STUDENT, setting)
    speedup = comparison.speedup if comparison else teacher.latency.p50_ms / student.latency.p50_ms
    number, words = _split(speed_words(speedup))
    return Highlight(
        label="Speed",
        number=number,
        words=words,
        detail=f"p50 {q.milliseconds(teacher.latency.p50_ms)} to {mine}{beside}, {where}",
        direction="better" if speedup > 1 else "worse",
        gain=speedup,
    )


def _size(report: Report) -> Highlight | None:
    student, teacher = measurement_of(report, STUDENT), measurement_of(report, TEACHER)
    if student is None:
        return None
    mine = q.size(student.size_bytes)
    if teacher is None:
        return Highlight(label="Size", number=mine, words="", detail="ONNX file", direction="same")
    number, words = _split(
        q.times_less(teacher.size_bytes, student.size_bytes, "smaller", "larger")
    )
    return Highlight(
        label="Size",
        number=number,
        words=words,
        detail=f"{q.size(teacher.size_bytes)} to {mine}, ONNX file",
        direction="better" if student.size_bytes < teacher.size_bytes else "worse",
        gain=teacher.size_bytes / max(1, student.size_bytes),
    )


def _fidelity(report: Report) -> Highlight | None:
    found = fidelity_of(report, STUDENT)
    if found is None:
        return None
    number, interval = spearman_words(found)
    return Highlight(
        label="Similarities",
        number=number,
        words="Spearman",
        detail=f"{interval}, all pairs of {q.count(found.samples)} test samples",
        direction="same",
    )


def _accuracy(report: Report) -> Highlight | None:
    student, teacher = quality_of(report, STUDENT), quality_of(report, TEACHER)
    pair = pair_of(report, STUDENT)
    if student is None:
        return None
    if teacher is None or pair is None:
        return Highlight(
            label="Accuracy",
            number=q.percent(student.accuracy),
            words="",
            detail=f"{q.count(student.samples)} test samples",
            direction="same",
        )
    number, words = _split(q.points(pair.difference))
    return Highlight(
        label="Accuracy",
        number=number,
        words=words,
        detail=f"{q.percent(teacher.accuracy)} to {q.percent(student.accuracy)}, "
        f"{q.count(student.samples)} test samples",
        direction="better" if pair.difference >= 0 else "worse",
    )
