"""What a row of epochs has to answer before it may end, for comparisons and measurements alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.stats import (
    LOOKS,
    SMALLEST_NAMED,
    compare_test,
    limit_test,
    looks,
    smallest_detectable,
)
from exporters.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Is one slower? Or, with a limit: is the ratio of times below it?

    resolve: "no-slower" is no end, "faster" and "slower" are; with change (0.01: 1 %) it also ends
    where a change of that size would have been seen. tests: how many questions share the level.
    """

    resolve: bool = False
    change: float | None = None
    limit: float | None = None
    tests: int = 1

    def __post_init__(self) -> None:
        if self.limit is not None and not self.limit > 0:
            raise InputError(f"is {self.limit}", where="limit", cure="use a ratio above 0")
        if self.change is not None and not self.change > SMALLEST_NAMED:
            what = f"{self.change:.2%} is too small: up to {SMALLEST_NAMED:.0%} has no name"
            raise InputError(what, where="change", cure="use a larger one, as in 2%")

    def is_look(self, epochs: int) -> bool:
        """Looks come where they were planned: one after every epoch would raise false alarms."""
        return any(epochs == look for look, _ in looks(LOOKS[-1], tests=self.tests))

    def is_answered(self, log_ratios: Sequence[float], *, seed: int) -> bool:
        """Whether these epochs are enough. log_ratios: one per epoch."""
        if self.limit is not None:
            found = limit_test(log_ratios, self.limit, tests=self.tests, seed=seed)
            return found != "inconclusive"
        word = compare_test(log_ratios, tests=self.tests, seed=seed, resolve=self.resolve)
        if word in ("slower", "faster"):
            return True
        if not self.resolve:
            return word == "no-slower"
        if self.change is None:
            return False
        seen = smallest_detectable(log_ratios, seed=seed)
        return word == "no-slower" and seen is not None and seen <= self.change
