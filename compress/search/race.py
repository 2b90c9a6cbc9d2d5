"""Successive halving over arms with paired seeds: short pilots for all, longer ones for the best.

Every arm of a round sees the same seeds (same start, same order of samples), so arms are compared
by differences within a seed. Controls are never dropped. Jamieson & Talwalkar, 2016 (arXiv
1502.07943).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One round. epochs: length of its pilots; scores: arm -> one score per seed, higher is better.

    complete is False where the time ran out before enough seeds had a pilot of every arm.
    """

    epochs: int
    seeds: tuple[int, ...]
    scores: Mapping[str, tuple[float, ...]]
    complete: bool = True

    def mean(self, arm: str) -> float:
        """The mean over seeds."""
        scores = self.scores[arm]
        return sum(scores) / len(scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """The rounds that were run, shortest first; the last complete one decides."""

    rungs: tuple[Rung, ...]

    @property
    def last(self) -> Rung:
        """The longest complete round."""
        return next(rung for rung in reversed(self.rungs) if rung.complete)


class OutOfTime(ValueError):
    """The time ran out within the first round."""


def race(
    arms: Sequence[str],
    *,
    controls: Sequence[str],
    evaluate: Callable[[str, int, int], float],
    seeds: Sequence[int],
    rungs: Sequence[int],
    last_seeds: Sequence[int] | None = None,
    keep: float = 0.5,
    go_on: Callable[[str, int], bool] = lambda arm, epochs: True,
    enough: int | None = None,
    ahead: Callable[[Sequence[tuple[str, int, int]]], None] = lambda pilots: None,
) -> Race:
    """Run pilots round by round. evaluate(arm, seed, epochs) -> score, a NaN when it diverged.

    rungs: epochs of each round, rising. last_seeds: of the last round, where others decide it.
    After a round the best `keep` of the arms (at least one, rounded up) go on, and all controls.
    go_on(arm, epochs) is asked before each pilot; False ends the race with what it has: a round
    counts by its whole seeds where they are `enough` of them (default: all). ahead(pilots) is told
    of all pilots of a round before it starts. Raises OutOfTime where the first round does not
    count.
    """
    check_race(arms, controls=controls, seeds=last_seeds or seeds, rungs=rungs)
    check_race(arms, controls=controls, seeds=seeds, rungs=rungs)
    alive, done = list(arms), []
    for number, epochs in enumerate(rungs, 1):
        own = last_seeds if last_seeds and number == len(rungs) else seeds
        names = (*controls, *alive)
        ahead([(name, seed, epochs) for seed in own for name in names])
        rung = _run_rung(names, evaluate, own, epochs, go_on, enough=enough or len(own))
        done.append(rung)
        if len(rung.seeds) < len(own):
            break
        alive = survivors(rung, alive, keep=keep)
    found = Race(rungs=tuple(done))
    if not found.rungs[0].complete:
        raise OutOfTime("the time ran out before every arm had its first pilots")
    return found


def survivors(rung: Rung, alive: Sequence[str], *, keep: float) -> list[str]:
    """The best ceil(keep * n) arms of a round in their first order; one that diverged is out."""
    ranked = sorted(
        (arm for arm in alive if math.isfinite(rung.mean(arm))), key=rung.mean, reverse=True
    )
    best = set(ranked[: max(1, math.ceil(keep * len(alive)))])
    return [arm for arm in alive if arm in best]


def pilots(arms: int, controls: int, *, rungs: Sequence[int], keep: float = 0.5) -> Iterable[int]:
    """How many arms and controls each round trains, when none diverges."""
    for _ in rungs:
        yield arms + controls
        arms = max(1, math.ceil(keep * arms))


def check_race(
    arms: Sequence[str], *, controls: Sequence[str], seeds: Sequence[int], rungs: Sequence[int]
) -> None:
    """ValueError on names used twice, on no arm, seed or round, and on rounds that don't rise."""
    names = [*arms, *controls]
    if not arms or len(set(names)) != len(names):
        raise ValueError(f"a race needs arms, each named once: {names}")
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"a race needs different seeds: {list(seeds)}")
    if not rungs or any(a >= b for a, b in pairwise(rungs)):
        raise ValueError(f"rounds must grow longer: {list(rungs)}")


def _run_rung(
    names: Sequence[str],
    evaluate: Callable[[str, int, int], float],
    seeds: Sequence[int],
    epochs: int,
    go_on: Callable[[str, int], bool],
    *,
    enough: int,
) -> Rung:
    scores: dict[str, list[float]] = {name: [] for name in names}
    # Seeds outside, arms inside: a race that runs out of time has whole seeds to compare.
    for whole, seed in enumerate(seeds):
        for name in names:
            if not go_on(name, epochs):
                return _rung(epochs, seeds[:whole], scores, complete=whole >= enough)
            scores[name].append(evaluate(name, seed, epochs))
    return _rung(epochs, seeds, scores, complete=True)


def _rung(
    epochs: int, seeds: Sequence[int], scores: Mapping[str, Sequence[float]], *, complete: bool
) -> Rung:
    count = len(seeds)
    return Rung(
        epochs=epochs,
        seeds=tuple(seeds),
        scores={name: tuple(values[:count]) for name, values in scores.items()},
        complete=complete,
    )
