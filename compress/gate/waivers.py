"""Violations that were accepted, for a stated reason and until a stated day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from pydantic import Field

from compress.recipe.budget_node import Budget
from compress.recipe.node import Node
from compress.recipe.units import LimitText, Percent, PercentagePoints, Ratio, Speedup, Text
from compress.values import Verdict


class Waiver(Node):
    """Until the end of `until`. With a limit it accepts only what keeps that limit."""

    budget: Text
    until: date
    reason: Text = Field(max_length=500)
    max: LimitText | None = None
    min: LimitText | None = None
    max_ratio: Ratio | None = None
    min_speedup: Speedup | None = None
    max_drop: PercentagePoints | None = None
    max_increase: Percent | None = None

    def limits(self) -> dict[str, float | str]:
        """The limit fields that are written."""
        names = ("max", "min", "max_ratio", "min_speedup", "max_drop", "max_increase")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def relaxed(self, budget: Budget) -> Budget:
        """The budget under the waiver's own limit."""
        return budget.model_copy(update=self.limits())


def waive(verdict: Verdict, waiver: Waiver, relaxed: Sequence[Verdict], *, today: date) -> Verdict:
    """`waived` where the waiver holds and covers it. Nothing unmeasured is ever waived.

    relaxed: the verdicts under the waiver's own limit; all that were measured must pass.
    """
    if verdict.status not in ("violated", "inconclusive"):
        return verdict
    if today > waiver.until:
        return replace(
            verdict, reason=f"{verdict.reason}; its waiver ended on {waiver.until.isoformat()}"
        )
    measured = [other for other in relaxed if other.status != "unmeasured"]
    if waiver.limits() and not all(other.status == "pass" for other in measured):
        limit = measured[0].limit
        return replace(verdict, reason=f"{verdict.reason}; its waiver reaches only to {limit}")
    return replace(
        verdict,
        status="waived",
        waiver=f"until {waiver.until.isoformat()}: {waiver.reason}",
    )
