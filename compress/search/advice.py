"""What a race says: differences to the best control with intervals, and one recommendation.

Intervals are Student's t over paired seeds, widened by Bonferroni over all arms that entered the
race, so that the winner of many is not believed for having been lucky: those that an early round
left out were tried too, and the rest were chosen on the same seeds and samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from compress.search.race import Race, Rung

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. Accuracies in [0, 1]; difference: arm minus best control, paired.

    low, high: 95 % interval of the difference over seeds, simultaneous over all arms of the race;
    None for controls and for arms with fewer than two seeds.
    """

    arm: str
    control: bool
    epochs: int  # of the last round in which it ran
    scores: tuple[float, ...]
    mean: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """chosen: the arm or control to use. helps: distillation beats the best control for certain."""

    rows: tuple[Row, ...]  # best first
    chosen: str
    helps: bool
    reason: str


def advise(race: Race, *, controls: Sequence[str]) -> Advice:
    """The recommendation of a race. An arm is recommended only if its interval is above zero."""
    rung = race.last
    best_control = max(controls, key=lambda name: _mean(rung, name))
    entered = sum(name not in controls for name in race.rungs[0].scores)
    rows = [_row(rung, name, best_control, entered, controls) for name in rung.scores]
    for earlier in reversed(race.rungs):
        seen = {row.arm for row in rows}
        dropped = [name for name in earlier.scores if name not in seen and earlier.complete]
        control = max(controls, key=lambda name, of=earlier: _mean(of, name))  # type: ignore[misc]
        rows += [_row(earlier, name, control, entered, controls) for name in dropped]
    rows.sort(key=lambda row: (-row.epochs, -row.mean if math.isfinite(row.mean) else math.inf))
    finalists = [
        row
        for row in rows
        if not row.control and row.arm in rung.scores and math.isfinite(row.mean)
    ]
    if not finalists:
        reason = "every method diverged: lower `distill.learning_rate` and ask again"
        return Advice(rows=tuple(rows), chosen=best_control, helps=False, reason=reason)
    best = max(finalists, key=lambda row: row.mean)
    helps = best.low is not None and best.low > 0
    chosen = best.arm if helps else best_control
    reason = _reason(best, best_control, rung, helps)
    return Advice(rows=tuple(rows), chosen=chosen, helps=helps, reason=reason)


def paired_interval(
    differences: Sequence[float], *, comparisons: int = 1, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Student's t interval of a mean of paired differences, Bonferroni over `comparisons`.

    Raises ValueError with fewer than two differences: one seed says nothing about the next.
    """
    count = len(differences)
    if count < 2:
        raise ValueError("an interval over seeds needs at least two seeds")
    mean = sum(differences) / count
    variance = sum((value - mean) ** 2 for value in differences) / (count - 1)
    tail = (1 - confidence) / (2 * comparisons)
    half = float(stats.t.ppf(1 - tail, count - 1)) * math.sqrt(variance / count)
    return mean - half, mean + half


def _row(rung: Rung, name: str, control: str, entered: int, controls: Sequence[str]) -> Row:
    scores = rung.scores[name]
    mean = rung.mean(name)
    if name in controls:
        return Row(arm=name, control=True, epochs=rung.epochs, scores=scores, mean=mean)
    differences = [a - b for a, b in zip(scores, rung.scores[control], strict=True)]
    low = high = None
    if len(differences) > 1 and math.isfinite(mean):
        low, high = paired_interval(differences, comparisons=entered)
    return Row(
        arm=name,
        control=False,
        epochs=rung.epochs,
        scores=scores,
        mean=mean,
        difference=sum(differences) / len(differences),
        low=low,
        high=high,
    )


def _mean(rung: Rung, name: str) -> float:
    mean = rung.mean(name)
    return mean if math.isfinite(mean) else -math.inf


def _reason(best: Row, control: str, rung: Rung, helps: bool) -> str:
    pilots = f"{len(rung.seeds)} paired seeds of {rung.epochs} epochs"
    assert best.difference is not None
    gain = f"{100 * best.difference:+.2f} pp over {control}"
    if best.low is None or best.high is None:
        return f"{best.arm}: {gain}, but one seed can't tell that from chance"
    interval = f"95 % interval {100 * best.low:+.2f} to {100 * best.high:+.2f} pp, {pilots}"
    if helps:
        return f"{best.arm} gains {gain} ({interval})"
    return (
        f"distillation does not help here: the best method, {best.arm}, is at {gain} ({interval}), "
        f"which does not exclude zero; a longer schedule or fewer labels may change that"
    )
