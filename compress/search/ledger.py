"""What is asked of candidates, who answers, and what time that took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from compress.search.space import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What one untrained candidate takes. values: budget -> observed, in the unit of its limit.

    speedup: over the teacher's file, None where it has none. seconds: what finding it out took;
    parts: of what, where that is known. failed: why it can't be built, exported or stored; then it
    has no values, and fits nothing.
    """

    values: Mapping[str, float]
    p50_ms: float
    speedup: float | None
    size_bytes: int
    parameters: int
    macs: int
    seconds: float
    parts: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""


def not_made(reason: str, *, seconds: float) -> Screened:
    """The screening of a candidate of which there is no file."""
    return Screened(
        values={},
        p50_ms=0.0,
        speedup=None,
        size_bytes=0,
        parameters=0,
        macs=0,
        seconds=seconds,
        failed=reason,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """accuracy: in [0, 1] on validation, of the file that would be shipped; NaN: there is none.

    epoch_s: of one epoch; start_s: of the rest of the pilot; parts: of what, where that is known.
    failed: why there is none: it diverged, or what was trained can't be exported or stored.
    """

    accuracy: float
    epoch_s: float
    start_s: float
    parts: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One pilot: a short training of a plan."""

    plan: Plan
    seed: int
    epochs: int

    def seconds(self, scored: Scored) -> float:
        """What it took."""
        return scored.start_s + self.epochs * scored.epoch_s


Screen = Callable[[Plan], Screened]


class Evaluate(Protocol):
    def __call__(self, plan: Plan, *, seed: int, epochs: int) -> Scored:
        """Train a plan briefly, store it in its scheme, and look at validation."""


class Ledger(Protocol):
    """Answers what is asked at once in the order of the questions, and says how many seconds that
    took: less than the sum where several machines answered."""

    def screened(self, plans: Sequence[Plan]) -> tuple[Sequence[Screened], float]:
        """What untrained candidates take."""

    def scored(self, pilots: Sequence[Asked]) -> tuple[Sequence[Scored], float]:
        """What short trainings reach."""

    def agreed(self, what: str, own: Mapping[str, Any]) -> Mapping[str, Any]:
        """What all reckon with, where each of several found it out by itself: the first word."""


@dataclass(frozen=True, slots=True)
class Alone:
    """This process answers, one after another."""

    screen: Screen
    evaluate: Evaluate

    def screened(self, plans: Sequence[Plan]) -> tuple[Sequence[Screened], float]:
        """As Ledger."""
        found = [self.screen(plan) for plan in plans]
        return found, sum(one.seconds for one in found)

    def scored(self, pilots: Sequence[Asked]) -> tuple[Sequence[Scored], float]:
        """As Ledger."""
        found = [self.evaluate(one.plan, seed=one.seed, epochs=one.epochs) for one in pilots]
        return found, sum(one.seconds(scored) for one, scored in zip(pilots, found, strict=True))

    def agreed(self, what: str, own: Mapping[str, Any]) -> Mapping[str, Any]:
        """As Ledger."""
        return own


@dataclass(slots=True)
class Account:
    """Seconds of wall time by what they were spent on."""

    parts: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """In all."""
        return sum(self.parts.values())

    def add(self, answers: Sequence[Mapping[str, float]], *, seconds: float) -> None:
        """The parts of answers that took so many seconds together."""
        worked = sum(sum(parts.values()) for parts in answers)
        for parts in answers:
            for name, value in parts.items():
                share = value * seconds / worked if worked else 0.0
                self.parts[name] = self.parts.get(name, 0.0) + share
