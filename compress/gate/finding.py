"""What a rule finds before it becomes a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compress.values import Part

FEWEST_GROUPS = 5  # of fewer, bounds of the bootstrap miss one time in four, not one in twenty


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """status without `waived`: that is decided afterwards. Texts as in Verdict."""

    status: Literal["pass", "violated", "inconclusive", "unmeasured"]
    reason: str
    observed: str = ""
    margin: str = ""
    missing: Literal["measurement", "baseline"] | None = None
    parts: tuple[Part, ...] = ()
    warns: bool = False  # inconclusive, and the gate file allows that


def unmeasured(why: str, *, cure: str = "run `distil run recipe.yaml`") -> Finding:
    """Nothing to judge: never a pass. cure: the command, or the line of the recipe."""
    return Finding(status="unmeasured", reason=f"{why}; {cure}", missing="measurement")


def no_baseline(why: str, cure: str, missing: Literal["fail", "warn", "seed"] = "fail") -> Finding:
    """A budget against a last release that is not there. missing: what the gate file says to it."""
    reason = f"no baseline: {why}; {cure}"
    if missing == "fail":
        return Finding(status="unmeasured", reason=reason, missing="baseline")
    return Finding(status="inconclusive", reason=f"{reason} (`missing: {missing}`)", warns=True)


def too_few_groups(groups: int, observed: str) -> Finding:
    """Neither proven nor convicted: what so few resampled groups say of others is luck."""
    reason = f"too few samples: {groups:,} groups say too little of others; {FEWEST_GROUPS} may do"
    return Finding(status="inconclusive", observed=observed, reason=reason)
