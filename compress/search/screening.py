"""Speed and size of untrained candidates: of each structure the widest that keeps to the limits."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from compress.search.ledger import Account, Ledger, Screened
from compress.search.predict import BYTES, TIME, Operator, Table
from compress.search.space import Plan, Space, Structure

GROWTH = 0.01  # of a file, by what training makes of values that were equal
NOISE = 0.06  # of a time taken in a warm process, against that of fresh ones
MEMORY = 0.03  # of one process, against that of another
SURE = 1.1  # predicted to be over a limit by this factor: not worth a measurement
SCREENING = "screening"
MOST = 5  # measurements per structure and scheme
_FIRST = 4  # where nothing is known: 32 channels of an image, 24 of a text, 160 of an encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A budget that needs no trained weights: a value in its own unit, at most `limit`."""

    budget: str
    limit: float
    timed: bool
    memory: bool = False

    @property
    def room(self) -> float:
        """The part of the limit that is left for noise, and for what training changes."""
        if self.memory:
            return 1 + MEMORY
        return 1 + (NOISE if self.timed else GROWTH)


def excess(found: Screened, limits: Sequence[Limit], *, ignored: Collection[str] = ()) -> float:
    """The largest part that a limit is used up to, noise included; up to 1 it fits. What could not
    be made fits nothing."""
    if found.failed:
        return math.inf
    return max(
        (
            found.values[one.budget] * one.room / one.limit
            for one in limits
            if one.budget not in ignored
        ),
        default=0.0,
    )


def _alike(plan: Plan) -> tuple[Structure, str]:
    return plan.structure, plan.scheme


def _slower(found: Screened, factors: Mapping[str, float]) -> Screened:
    """With other values of some budgets on time; what is shown of its speed goes along."""
    if not factors or found.failed:
        return found
    values = {budget: value * factors.get(budget, 1.0) for budget, value in found.values.items()}
    mean = math.exp(sum(map(math.log, factors.values())) / len(factors))
    speedup = None if found.speedup is None else found.speedup / mean
    return replace(found, values=values, p50_ms=mean * found.p50_ms, speedup=speedup)


@dataclass(slots=True)
class Screening:
    """Asks only where it matters, and keeps all that it heard.

    ledger: builds, exports and times plans. operators(plan): its shapes, cheap; without it nothing
    is predicted, and widths are bisected. go_on(): False once the time for screening is over: then
    only what was seen counts. One structure is always looked at.
    """

    limits: Sequence[Limit]
    ledger: Ledger
    operators: Callable[[Plan], Sequence[Operator]] | None = None
    go_on: Callable[[], bool] = lambda: True
    seen: dict[Plan, Screened] = field(default_factory=dict)
    spent: Account = field(default_factory=Account)
    _tables: dict[str, Table] = field(default_factory=dict)
    _factors: dict[tuple[Structure, str], dict[str, float]] = field(default_factory=dict)

    def widest(
        self,
        space: Space,
        *,
        ignored: Collection[str] = (),
        among: Callable[[Sequence[Plan]], Sequence[Plan]] = lambda plans: plans,
    ) -> list[Plan]:
        """Of each structure and scheme the widest that fits; those without one are left out.
        among: which of the plans of one, from the narrowest, come into question."""
        found: list[Plan] = []
        for structure in space.structures:
            several: list[Sequence[Plan]] = [
                space.plans(structure, scheme) for scheme in space.schemes
            ]
            over = bool(self.seen) and not self.go_on()
            if over:  # what was seen under other limits counts under these too
                several = [self._seen_of(plans) for plans in several]
            several = [among(plans) if plans else plans for plans in several]
            if over:
                several = [self._seen_of(plans) for plans in several]
            best = self._bisect(several, ignored)
            found += [plan for plan in best if plan is not None]
        return found

    def _seen_of(self, plans: Sequence[Plan]) -> Sequence[Plan]:
        return [plan for plan in plans if plan in self.seen]

    def widest_of(self, plans: Sequence[Plan], *, ignored: Collection[str] = ()) -> Plan | None:
        """By bisection of plans that rise in width; what is predicted decides where to look."""
        return self._bisect([plans], ignored)[0]

    def widest_of_each(self, several: Sequence[Sequence[Plan]]) -> list[Plan | None]:
        """Of several such sequences, looked at together."""
        return self._bisect(several, ())

    def look(self, plan: Plan) -> Screened:
        """Its screening, asked for once."""
        self.look_all((plan,))
        return self.seen[plan]

    def look_all(self, plans: Sequence[Plan]) -> None:
        """Several at once."""
        new = [plan for plan in dict.fromkeys(plans) if plan not in self.seen]
        answers, seconds = self.ledger.screened(new)
        self.spent.add(
            [found.parts or {SCREENING: found.seconds} for found in answers], seconds=seconds
        )
        for plan, found in zip(new, answers, strict=True):
            self.seen[plan] = _slower(found, self._factors.get(_alike(plan), {}))
            self._learn(plan)

    def correct(self, plan: Plan, values: Mapping[str, float]) -> None:
        """What a plan truly takes of budgets: its structure in this scheme is off by as much."""
        seen = self.seen[plan].values
        factors = {budget: value / seen[budget] for budget, value in values.items()}
        known = self._factors.get(_alike(plan), {})
        own = {budget: known.get(budget, 1.0) * factor for budget, factor in factors.items()}
        self._factors[_alike(plan)] = own
        self._tables.clear()
        for one, found in list(self.seen.items()):
            if _alike(one) == _alike(plan):
                self.seen[one] = _slower(found, factors)
            self._learn(one)

    def _learn(self, plan: Plan) -> None:
        found = self.seen[plan]
        if self.operators is not None and not found.failed:
            shapes = self.operators(plan)
            for limit in self.limits:
                value = found.values[limit.budget]
                self._table(limit).learn(plan.scheme, shapes, value)

    def value(self, plan: Plan, budget: str) -> float | None:
        """What it takes of a budget, seen or by the tables; None where they know nothing."""
        if plan in self.seen:
            return self.seen[plan].values.get(budget)
        shapes = () if self.operators is None else self.operators(plan)
        return self._table(self.limit(budget)).predict(plan.scheme, shapes) if shapes else None

    def limit(self, budget: str) -> Limit:
        """Of a budget."""
        return next(one for one in self.limits if one.budget == budget)

    def predicted(self, plan: Plan, *, ignored: Collection[str] = ()) -> float | None:
        """Its excess by the tables; None where they know nothing."""
        if plan in self.seen:
            return excess(self.seen[plan], self.limits, ignored=ignored)
        if self.operators is None:
            return None
        shapes = self.operators(plan)
        if not shapes:
            return None
        parts = []
        for one in self.limits:
            if one.budget in ignored:
                continue
            value = self._table(one).predict(plan.scheme, shapes)
            if value is None:
                return None
            parts.append(value * one.room / one.limit)
        return max(parts, default=0.0)

    def _bisect(
        self, several: Sequence[Sequence[Plan]], ignored: Collection[str]
    ) -> list[Plan | None]:
        """Of each sequence the widest that fits. What they wait for is asked for together."""
        running = {place: self._steps(plans, ignored) for place, plans in enumerate(several)}
        widest: list[Plan | None] = [None] * len(several)
        while running:
            wanted = []
            for place, steps in list(running.items()):
                try:
                    wanted.append(next(steps))
                except StopIteration as end:
                    widest[place] = end.value
                    del running[place]
            self.look_all(wanted)
        return widest

    def _steps(
        self, plans: Sequence[Plan], ignored: Collection[str]
    ) -> Generator[Plan, None, Plan | None]:
        """Yields each plan that must be seen before it can go on."""
        low, high, asked = -1, len(plans), 0
        while high - low > 1:
            place = self._next(plans, low, high, ignored)
            if place is None:
                break
            if plans[place] not in self.seen:
                if asked == MOST:
                    break
                asked += 1
                yield plans[place]
            if excess(self.seen[plans[place]], self.limits, ignored=ignored) <= 1:
                low = place
            else:
                high = place
        return plans[low] if low >= 0 else None

    def _table(self, limit: Limit) -> Table:
        new = Table(shares=TIME if limit.timed else BYTES)
        return self._tables.setdefault(limit.budget, new)

    def _next(
        self, plans: Sequence[Plan], low: int, high: int, ignored: Collection[str]
    ) -> int | None:
        """Where to look between a width that fits and one that does not; None: no need."""
        first = self.predicted(plans[low + 1], ignored=ignored)
        if first is None:
            return min(max(low + 1, _FIRST), high - 1) if low < 0 else (low + high) // 2
        if first > 1:
            # The next width is too much by what is known: look only where that may be wrong.
            return low + 1 if low < 0 or first <= SURE else None

        def over(place: int) -> bool:
            guess = self.predicted(plans[place], ignored=ignored)
            return guess is not None and guess > 1

        # What is predicted rises with the width, and each prediction builds a network.
        return bisect.bisect_left(range(low + 2, high), True, key=over) + low + 1
