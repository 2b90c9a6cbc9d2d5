"""What a search for a student tried and found, as the report holds it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate. Timed in a warm process beside the teacher: no verdict rests on it.

    accuracy: of the file that would be shipped, on validation, after the longest training that it
    had, `trained_s` seconds of `epochs` epochs; None where it was only timed. fits: speed and size
    within the budgets, with the margin for noise. seconds: what it cost. failed: why a training of
    it failed, where one did.
    """

    name: str  # "residual 2x(48, 64) /2, int8"
    scheme: str
    parameters: int
    macs: int
    size_bytes: int
    p50_ms: float
    speedup: float | None  # over the teacher at the first setting; None: it has no file to time
    fits: bool
    accuracy: float | None = None
    epochs: int = 0
    trained_s: float = 0.0
    seconds: float = 0.0
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """The least by which one budget, alone, would have to give way. enough: the limit in the
    budget's own writing, None where no value of this budget alone helps, or where none was tried
    for want of time. steered: whether the search itself looks at this budget."""

    budget: str
    limit: str
    enough: str | None
    candidate: str | None
    reason: str
    tried: bool = True
    steered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFacts:
    """One search. aim: the drop or accuracy on validation that gives the test 80 % power.

    binding: the budget that no candidate meets; None where the winner is expected to meet all:
    then relaxations are what the judge found it to miss, with the limits that it keeps to.
    not_made: candidate -> why it can't be built, exported or stored.
    stated_s: what was promised before it began; spent_s: part of the work -> seconds, of the whole
    run. All of these are of the work itself, and so the same where a run only reads what is stored.
    """

    chosen: str
    reason: str
    binding: str | None
    trials: tuple[Trial, ...]
    relaxations: tuple[Relaxation, ...] = ()
    not_made: dict[str, str] = field(default_factory=dict)
    reached: float | None = None  # accuracy of the chosen one on validation, trained in full
    aim: float | None = None  # the accuracy on validation that was aimed at
    stated_s: float
    spent_s: dict[str, float] = field(default_factory=dict)
