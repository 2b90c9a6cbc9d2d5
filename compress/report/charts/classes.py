"""Accuracy per class: teacher and student as two dots on a line, what got worse first."""

from __future__ import annotations

from dataclasses import dataclass

from compress.report import quantities as q
from compress.report.charts.axis import Scale, bottom_axis
from compress.report.charts.svg import (
    diamond,
    label,
    line,
    picture,
    series_class,
    shorten,
    tag,
    text_width,
)
from compress.report.plain_text import typeset
from compress.values import ClassChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Classes to draw, worst first; left_out of them lie between the worst and the best."""

    rows: tuple[ClassChange, ...]
    left_out: int


def change_of(row: ClassChange) -> float | None:
    """Student minus teacher, in [-1, 1]."""
    return None if row.teacher_accuracy is None else row.student_accuracy - row.teacher_accuracy


def worst_first(rows: tuple[ClassChange, ...]) -> tuple[ClassChange, ...]:
    """By change, then by the student's accuracy; without a teacher by accuracy alone."""
    return tuple(sorted(rows, key=lambda r: (change_of(r) or 0.0, r.student_accuracy)))


def choose(rows: tuple[ClassChange, ...], *, worst: int = 17, best: int = 3) -> Chosen:
    """All classes where a picture has room for them, else the worst and the best few."""
    ordered = worst_first(rows)
    if len(ordered) <= worst + best:
        return Chosen(rows=ordered, left_out=0)
    return Chosen(rows=(*ordered[:worst], *ordered[-best:]), left_out=len(ordered) - worst - best)


def class_chart(chosen: Chosen, *, width: float, key: str) -> str:
    """One row per class: name, the two accuracies on a common axis, the change in words."""
    rows = chosen.rows
    names = min(max(text_width(r.name) for r in rows) + 8, width * 0.3)
    known = [a for r in rows for a in (r.teacher_accuracy, r.student_accuracy) if a is not None]
    # Five points at least: the ticks are whole percent.
    low = max(0.0, min(0.95, min(known) - 0.04 * max(0.25, 1 - min(known))))
    scale = Scale(low=low, high=1.0, start=names + 8, end=width - 84)
    step, top = 26.0, 30.0
    bottom = top + step * len(rows)
    body = [
        bottom_axis(
            scale,
            top=top - 4,
            bottom=bottom,
            words=lambda v: f"{v * 100:.0f} %",
            at_most=7 if width > 500 else 4,
        ),
        _legend(rows[0], scale),
    ]
    for place, row in enumerate(rows):
        y = top + step * (place + 0.5)
        body.append(label(names, y + 4, shorten(row.name, names), anchor="end"))
        student = scale(row.student_accuracy)
        if row.teacher_accuracy is not None:
            teacher = scale(row.teacher_accuracy)
            kind = series_class(1 if student < teacher else 0)
            body.append(line(teacher, y, student, y, kind=f"bond {kind}"))
            body.append(diamond(teacher, y))
        body.append(tag("circle", cx=student, cy=y, r=5, class_=f"dot {series_class(1)}"))
        change = change_of(row)
        words = (
            q.percent(row.student_accuracy, 1) if change is None else typeset(q.points(change, 1))
        )
        worse = change is not None and change < 0
        body.append(
            label(width - 4, y + 4, words, anchor="end", kind="strong" if worse else "label")
        )
    return picture(
        width,
        bottom + 26,
        *body,
        key=key,
        title="Accuracy per class, teacher and student, what got worse first",
        description="; ".join(map(_spoken, rows)),
    )


def _legend(row: ClassChange, scale: Scale) -> str:
    """Names the two dots once, at the top."""
    x, y = scale.start, 12.0
    student = tag("circle", cx=x + 5, cy=y - 4, r=5, class_=f"dot {series_class(1)}") + label(
        x + 15, y, "student", kind=f"strong {series_class(1)}"
    )
    if row.teacher_accuracy is None:
        return student
    x += 28 + text_width("student")
    return (
        student
        + diamond(x + 5, y - 4)
        + label(x + 15, y, "teacher", kind=f"strong {series_class(0)}")
    )


def _spoken(row: ClassChange) -> str:
    change = change_of(row)
    words = f"{row.name} {q.percent(row.student_accuracy, 1)}"
    return words if change is None else f"{words} ({q.points(change, 1)})"
