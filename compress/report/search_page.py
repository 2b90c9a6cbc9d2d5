"""The picture and the table of a search: every candidate by what it takes and what it learnt."""

from __future__ import annotations

from dataclasses import dataclass, replace

from compress.report import quantities as q
from compress.report.candidates import bounds_of, panels
from compress.report.charts.front import UNBOUND, Point, Tick
from compress.report.figures import Figure
from compress.report.search import failures
from compress.report.subjects import TEACHER, floor_words, settings_of
from compress.values import Report, SearchFacts, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One candidate, in words. failed: why, where it or a training of it did."""

    name: str
    chosen: bool
    p50: str
    speedup: str
    size: str
    fits: str
    accuracy: str
    trained: str
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """panels: none where they would show a single dot. compared: whether candidates were
    timed beside the teacher."""

    sentence: str
    panels: tuple[Figure, ...]
    rows: tuple[TrialRow, ...]
    compared: bool
    floor: str  # what an empty model takes, where a candidate takes less than 1 ms
    spent: tuple[tuple[str, str, float], ...]  # part, time in words, part of the whole


def search_page(report: Report, *, key: str) -> SearchPage | None:
    """What the page shows of a search; None without one."""
    facts = report.search
    if facts is None:
        return None
    whole = sum(facts.spent_s.values()) or 1.0
    trained = sum(trial.accuracy is not None for trial in facts.trials)
    failed = len(failures(facts))
    beside = f"{failed} failed; " if failed else ""
    return SearchPage(
        sentence=(
            f"{len(facts.trials)} candidates were timed and {trained} of them trained; {beside}"
            f"{facts.chosen} was chosen: {facts.reason}."
        ),
        panels=search_panels(report, key=key),
        rows=(
            *(_row(trial, facts) for trial in facts.trials),
            *(_not_made(name, reason) for name, reason in facts.not_made.items()),
        ),
        compared=any(trial.speedup is not None for trial in facts.trials),
        floor=_floor(report, min((trial.p50_ms for trial in facts.trials), default=None)),
        spent=tuple(
            (name, q.seconds(value), value / whole) for name, value in facts.spent_s.items()
        ),
    )


def _floor(report: Report, ms: float | None) -> str:
    setting = next(iter(settings_of(report)), None)
    return "" if setting is None else floor_words(report, ms, setting)


def search_panels(report: Report, *, key: str) -> tuple[Figure, ...]:
    """Candidates by latency in the warm process, size, and accuracy on validation; those that were
    not trained as ticks."""
    facts = report.search
    assert facts is not None
    points = [
        Point(
            name=trial.name,
            index=1 if trial.name == facts.chosen else 2,
            cost=trial.p50_ms,
            accuracy=trial.accuracy,
            size_bytes=trial.size_bytes,
            met=trial.fits and (facts.aim is None or trial.accuracy >= facts.aim),
            named=trial.name == facts.chosen,
        )
        for trial in facts.trials
        if trial.accuracy is not None
    ]
    teacher = _teacher(report, facts)
    setting = next(iter(settings_of(report)), None)
    bounds = UNBOUND if setting is None else bounds_of((report,), setting)
    limits = replace(bounds, accuracy=None)  # that one is on test, and these are on validation
    ticks = [
        Tick(name=trial.name, cost=trial.p50_ms, size_bytes=trial.size_bytes)
        for trial in facts.trials
        if trial.accuracy is None
    ]
    if not points or len(points) + len(ticks) + (teacher is not None) < 2:
        return ()
    if teacher is not None:
        points.insert(0, teacher)
    about = "on validation, of every candidate"
    return panels(points, limits, key=f"{key}-search", about=about, ticks=ticks)


def _teacher(report: Report, facts: SearchFacts) -> Point | None:
    step = next((one for one in report.sizes if one.stage == TEACHER), None)
    chosen = next((one for one in facts.trials if one.name == facts.chosen), None)
    if step is None or step.validation_accuracy is None or chosen is None:
        return None
    if chosen.speedup is None:
        return None
    return Point(
        name=TEACHER,
        index=0,
        cost=chosen.p50_ms * chosen.speedup,
        accuracy=step.validation_accuracy,
        size_bytes=step.size_bytes,
    )


def _row(trial: Trial, facts: SearchFacts) -> TrialRow:
    known = trial.accuracy is not None
    return TrialRow(
        name=trial.name,
        chosen=trial.name == facts.chosen,
        p50=q.milliseconds(trial.p50_ms),
        speedup="\u2013" if trial.speedup is None else q.times(trial.speedup),
        size=q.size(trial.size_bytes),
        fits="yes" if trial.fits else "no",
        accuracy=q.percent(trial.accuracy) if trial.accuracy is not None else "\u2013",
        trained=f"{trial.epochs} epochs, {q.seconds(trial.trained_s)}" if known else "no",
        failed=trial.failed,
    )


def _not_made(name: str, reason: str) -> TrialRow:
    unknown = "\u2013"
    return TrialRow(
        name=name,
        chosen=False,
        p50=unknown,
        speedup=unknown,
        size=unknown,
        fits="no",
        accuracy=unknown,
        trained="no",
        failed=reason,
    )
