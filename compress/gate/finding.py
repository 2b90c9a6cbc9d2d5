"""What a rule finds before it becomes a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """status without `waived`: that is decided afterwards. Texts as in Verdict."""

    status: Literal["pass", "violated", "inconclusive", "unmeasured"]
    reason: str
    observed: str = ""
    margin: str = ""
    missing: Literal["measurement", "baseline"] | None = None


def unmeasured(why: str, *, cure: str = "run `distil run recipe.yaml`") -> Finding:
    """Nothing to judge: never a pass. cure: the command, or the line of the recipe."""
    return Finding(status="unmeasured", reason=f"{why}; {cure}", missing="measurement")


def no_baseline() -> Finding:
    """A budget against the last release, which this version does not keep yet."""
    return Finding(
        status="unmeasured",
        reason="no baseline: there is nothing to compare with; use `vs: teacher` or `max`/`min`",
        missing="baseline",
    )
