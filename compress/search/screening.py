"""Speed and size of untrained candidates: of each structure the widest that keeps to the limits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from compress.search.predict import BYTES, TIME, Operator, Table
from compress.search.space import Plan, Space

GROWTH = 0.01  # of a file, by what training makes of values that were equal
NOISE = 0.06  # of a time taken in a warm process, against that of fresh ones
SURE = 1.1  # predicted to be over a limit by this factor: not worth a measurement
MOST = 5  # measurements per structure and scheme
_FIRST = 4  # where nothing is known: 24 channels, 160 of an encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A budget that needs no trained weights: a value in its own unit, at most `limit`."""

    budget: str
    limit: float
    timed: bool

    @property
    def room(self) -> float:
        """The part of the limit that is left for noise, and for what training changes."""
        return 1 + (NOISE if self.timed else GROWTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What one untrained candidate takes. values: budget -> observed, in the unit of its limit."""

    values: Mapping[str, float]
    p50_ms: float
    speedup: float
    size_bytes: int
    parameters: int
    macs: int
    seconds: float  # what finding it out took


def excess(found: Screened, limits: Sequence[Limit], *, ignored: Collection[str] = ()) -> float:
    """The largest part that a limit is used up to, noise included; up to 1 it fits."""
    return max(
        (
            found.values[one.budget] * one.room / one.limit
            for one in limits
            if one.budget not in ignored
        ),
        default=0.0,
    )


@dataclass(slots=True)
class Screening:
    """Asks `screen` only where it matters, and keeps all that it heard.

    screen(plan): builds, exports and times it. operators(plan): its shapes, cheap; without it
    nothing is predicted, and widths are bisected. go_on(): False
    once the time for screening is over; one structure is always looked at.
    """

    limits: Sequence[Limit]
    screen: Callable[[Plan], Screened]
    operators: Callable[[Plan], Sequence[Operator]] | None = None
    go_on: Callable[[], bool] = lambda: True
    seen: dict[Plan, Screened] = field(default_factory=dict)
    _tables: dict[str, Table] = field(default_factory=dict)

    def widest(self, space: Space, *, ignored: Collection[str] = ()) -> list[Plan]:
        """Of each structure and scheme the widest that fits; those without one are left out."""
        found: list[Plan] = []
        for number, structure in enumerate(space.structures):
            for scheme in space.schemes:
                if number and not self.go_on():
                    return found
                best = self.widest_of(space.plans(structure, scheme), ignored=ignored)
                if best is not None:
                    found.append(best)
        return found

    def widest_of(self, plans: Sequence[Plan], *, ignored: Collection[str] = ()) -> Plan | None:
        """By bisection of plans that rise in width; what is predicted decides where to look."""
        low, high, asked = -1, len(plans), 0
        while high - low > 1:
            place = self._next(plans, low, high, ignored)
            if place is None:
                break
            known = plans[place] in self.seen
            if not known and asked == MOST:
                break
            asked += not known
            if excess(self.look(plans[place]), self.limits, ignored=ignored) <= 1:
                low = place
            else:
                high = place
        return plans[low] if low >= 0 else None

    def look(self, plan: Plan) -> Screened:
        """Its screening, asked for once."""
        if plan not in self.seen:
            found = self.screen(plan)
            self.seen[plan] = found
            if self.operators is not None:
                shapes = self.operators(plan)
                for limit in self.limits:
                    value = found.values[limit.budget]
                    self._table(limit).learn(plan.scheme, shapes, value)
        return self.seen[plan]

    def predicted(self, plan: Plan, *, ignored: Collection[str] = ()) -> float | None:
        """Its excess by the tables; None where they know nothing."""
        if plan in self.seen:
            return excess(self.seen[plan], self.limits, ignored=ignored)
        if self.operators is None:
            return None
        shapes = self.operators(plan)
        parts = []
        for one in self.limits:
            if one.budget in ignored:
                continue
            value = self._table(one).predict(plan.scheme, shapes)
            if value is None:
                return None
            parts.append(value * one.room / one.limit)
        return max(parts, default=0.0)

    def _table(self, limit: Limit) -> Table:
        new = Table(shares=TIME if limit.timed else BYTES)
        return self._tables.setdefault(limit.budget, new)

    def _next(
        self, plans: Sequence[Plan], low: int, high: int, ignored: Collection[str]
    ) -> int | None:
        """Where to look between a width that fits and one that does not; None: no need."""
        guesses = [self.predicted(plan, ignored=ignored) for plan in plans[low + 1 : high]]
        if guesses[0] is None:
            return min(max(low + 1, _FIRST), high - 1) if low < 0 else (low + high) // 2
        fitting = [index for index, guess in enumerate(guesses) if guess is None or guess <= 1]
        if not fitting:
            # The next width is too much by what is known: look only where that may be wrong.
            return low + 1 if low < 0 or guesses[0] <= SURE else None
        return low + 1 + fitting[-1]
