"""The winner of the race, timed again as it will be judged; a narrower one where it is too slow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from compress.search.arms import narrower
from compress.search.screening import Screening
from compress.search.space import Plan, Space

FRESH = 0.03  # of a time by fresh processes, against that of others
TRIES = 3  # networks of one structure
CONFIRMING = "timing the winner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """values: budget on time -> observed by fresh processes. seconds: what finding it out took.
    failed: why there is nothing to see: a process died of this file."""

    values: Mapping[str, float]
    seconds: float
    failed: str = ""


Confirm = Callable[[Plan], Confirmed]


def confirmed(
    ranked: Sequence[Plan], space: Space, *, screening: Screening, confirm: Confirm
) -> Plan:
    """The first of `ranked` that keeps to the limits by fresh processes, or the widest below it
    that does. Where the first takes longer than it was seen to, what was seen of its structure is
    corrected by as much; one that can't be looked at is passed over. The first one, where none
    keeps to them.
    """
    for best in ranked:
        plan: Plan | None = best
        for _ in range(TRIES):
            if plan is None:
                break
            found = confirm(plan)
            screening.spent.add([{CONFIRMING: found.seconds}], seconds=found.seconds)
            if found.failed:
                break
            if _keeps(found, screening):
                return plan
            screening.correct(plan, found.values)
            plan = screening.widest_of(narrower(space, plan)[:-1])
    return ranked[0]


def _keeps(found: Confirmed, screening: Screening) -> bool:
    limits = [one for one in screening.limits if one.budget in found.values]
    return all(found.values[one.budget] * (1 + FRESH) <= one.limit for one in limits)
