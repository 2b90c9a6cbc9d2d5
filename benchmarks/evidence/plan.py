"""Which pairs are timed where: units of at most 20 minutes, about three hours in all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from benchmarks.evidence.machine import CONDITIONS, Condition
from benchmarks.evidence.networks import KINDS, Kind, Pair

Part = Literal["idle", "busy", "live"]
PARTS: tuple[Part, ...] = get_args(Part)
_FIRST_LIVE = 100  # pairs from here on are in no replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One pair under one condition."""

    pair: Pair
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One line of the results file. A unit is one series: an uninterrupted stretch."""

    name: str
    kind: Part
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """series x pairs x epochs per kind and condition: 8 x 4 x 20 = 640 of 32 different pairs.

    spare: so many epochs more where some were marked. unit_s: a unit ends there with what it has.
    live_s: after so long a live comparison is inconclusive.
    """

    series: int = 8
    pairs: int = 4
    epochs: int = 20
    spare: int = 8
    live_units: int = 16
    unit_s: float = 1140.0
    live_s: float = 150.0
    conditions: tuple[Condition, ...] = CONDITIONS

    def units(self) -> Iterator[Unit]:
        """In the order in which they run; live ones between the others."""
        share = -(-self.live_units // max(1, self.series))
        for number in range(self.series):
            for condition in self.conditions:
                jobs = tuple(self._recorded(number, condition))
                yield Unit(name=f"{condition}-{number}", kind=condition, jobs=jobs)
            for live in range(number * share, min((number + 1) * share, self.live_units)):
                yield Unit(name=f"live-{live}", kind="live", jobs=tuple(_live(live)))

    def _recorded(self, series: int, condition: Condition) -> Iterator[Job]:
        for place in range(self.pairs):
            for kind in KINDS:
                pair = Pair(kind=kind, number=series * self.pairs + place)
                yield Job(pair=pair, condition=condition)


def _live(unit: int) -> Iterator[Job]:
    """Seven comparisons: four of twins, two of +2 %, one of +5 %; every pair is used once."""
    counts: tuple[tuple[Kind, int], ...] = (("twin", 4), ("plus2", 2), ("plus5", 1))
    for kind, count in counts:
        for place in range(count):
            number = _FIRST_LIVE + unit * count + place
            busy = (place + unit) % 2 == 1
            yield Job(pair=Pair(kind=kind, number=number), condition="busy" if busy else "idle")
