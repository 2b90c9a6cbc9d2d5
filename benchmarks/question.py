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
    """Is one slower? Or, with limits: is the ratio of times below each of them?

    resolve: "no-slower" is no end, "faster" and "slower" are; with change (0.01: 1 %) it also ends
    where a change of that size would have been seen. tests: how many questions share the level.
    """

    resolve: bool = False
    change: float | None = None
    limits: tuple[float, ...] = ()
    tests: int = 1

    def __post_init__(self) -> None:
        for limit in self.limits:
            if not limit > 0:
                raise InputError(f"is {limit}", where="limit", cure="use a ratio above 0")
        if self.change is not None and not self.change > SMALLEST_NAMED:
            what = f"{self.change:.2%} is too small: up to {SMALLEST_NAMED:.0%} has no name"
            raise InputError(what, where="change", cure="use a larger one, as in 2%")

    @property
    def limit(self) -> float | None:
        """The limit, where it is one."""
        return self.limits[0] if len(self.limits) == 1 else None

    def is_look(self, epochs: int) -> bool:
        """Looks come where they were planned: one after every epoch would raise false alarms."""
        return any(epochs == look for look, _ in looks(LOOKS[-1], tests=self.tests))

    def is_answered(self, log_ratios: Sequence[float], *, seed: int) -> bool:
        """Whether the epochs up to the last planned look are enough. log_ratios: one per epoch."""
        passed = [look for look, _ in looks(LOOKS[-1], tests=self.tests) if look <= len(log_ratios)]
        log_ratios = log_ratios[: passed[-1] if passed else 0]
        if self.limits:
            found = [limit_test(log_ratios, x, tests=self.tests, seed=seed) for x in self.limits]
            return "inconclusive" not in found
        word = compare_test(log_ratios, tests=self.tests, seed=seed, resolve=self.resolve)
        if word in ("slower", "faster"):
            return True
        if not self.resolve:
            return word == "no-slower"
        if self.change is None:
            return False
        seen = smallest_detectable(log_ratios, seed=seed)
        return word == "no-slower" and seen is not None and seen <= self.change
