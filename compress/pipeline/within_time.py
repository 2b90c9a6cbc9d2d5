"""A search in the time that was stated: choose, train in full, say what would have to give way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from compress.pipeline.outlook import Outlook
from compress.pipeline.relaxing import relaxations
from compress.recipe.nodes import Budget
from compress.search.confirm import Confirm
from compress.search.screening import Screening
from compress.search.solve import PART_SCREENING, Found, choose, finish_best
from compress.search.space import Space
from compress.search.trainer import Trainer
from compress.trials import Relaxation

# Of the time, beyond it: for what follows a training in full that took it all. What was promised is
# 10 %; the rest is for what a training takes longer than its pilots did.
OVER = 0.09
# Of the training in full, where even that is not expected to reach the accuracy: for what would
# have to give way.
RELAXING = 0.5
# Errors that fall with the root of the epochs would be quick: curves of learning are power laws of
# exponents of 0.07 to 0.35 (Hestness et al., arXiv:1712.00409).
QUICK = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """binding: the budget that nothing is expected to meet, None where what was found meets all;
    relaxed: what would have to give way."""

    found: Found
    seen: Outlook
    binding: str | None = None
    relaxed: tuple[Relaxation, ...] = ()


def hold_within(
    seconds: float,
    space: Space,
    budgets: tuple[Budget, ...],
    *,
    screening: Screening,
    trainer: Trainer,
    finish: Callable[[Found], Outlook | None],
    spent: Callable[[], float],
    reserve_s: float,
    finish_s: float,
    trainings: int,
    seed: int,
    seeds: int,
    confirm: Confirm | None = None,
    floor: float | None = None,
) -> Held:
    """seconds: of all; spent(): of what is over, whatever it was; reserve_s: of what comes after
    the search, but for further trainings in full; finish_s: of `finish` without its training.
    finish: as finish_best. floor: the accuracy on validation that is asked for, where it is
    limited. confirm, and what is raised: as choose."""
    screening.go_on = lambda: screening.spent.seconds < PART_SCREENING * seconds
    found = choose(
        space,
        screening=screening,
        trainer=trainer,
        seconds=seconds,
        spent=spent,
        reserve_s=reserve_s + finish_s,
        trainings=trainings,
        seed=seed,
        seeds=seeds,
        confirm=confirm,
    )
    if found.fits and floor is not None and out_of_reach(found, floor):
        found = replace(found, epochs=math.ceil((1 - RELAXING) * found.epochs))
    found, seen = finish_best(
        found,
        trainer,
        finish=finish,
        left_s=lambda: time_left(seconds, spent() + reserve_s + finish_s) / trainings,
    )
    if found.fits and seen.reaches:
        return Held(found=found, seen=seen)
    # What fits stays, and so its control is still to be trained; else another one is finished.
    due_s = (trainings - 1) * found.epochs * found.epoch_s if found.fits else finish_s
    found, seen, binding, relaxed = relaxations(
        budgets,
        space,
        found,
        seen,
        screening=screening,
        trainer=trainer,
        finish=finish,
        left_s=time_left(seconds, spent() + reserve_s + due_s),
        trainings=trainings,
        seed=seed,
        floor=floor,
    )
    return Held(found=found, seen=seen, binding=binding, relaxed=relaxed)


def out_of_reach(found: Found, floor: float) -> bool:
    """Whether a training in full would miss an accuracy even if errors fell quickly with its
    length, by the pilot; False where there is none."""
    pilot = found.pilots.get(found.plan)
    if pilot is None:
        return False
    longer = max(1.0, found.epochs / pilot.epochs)
    return 1 - (1 - pilot.accuracy) * math.pow(longer, -QUICK) < floor


def time_left(seconds: float, taken_s: float) -> float:
    """What is left of a time, and where that is little, what may come on top of it."""
    left = seconds - taken_s
    return max(0.0, left, min(0.0, left) + OVER * seconds)
