"""Budgets in, plan out: screen what needs no training, race what is left, finish the winner.

`solve` calls functions and nothing else; `compress/pipeline/stages/search.py` gives it real
ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TypeVar

from compress.errors import InputError
from compress.search.arms import affordable, keeping, roomiest, shortlist
from compress.search.confirm import Confirm, confirmed
from compress.search.ledger import Alone, Asked, Evaluate, Screen, Screened
from compress.search.predict import Operator
from compress.search.race import Race, race
from compress.search.screening import Limit, Screening, excess
from compress.search.space import Plan, Space
from compress.search.study import open_study
from compress.search.trainer import DIVERGED, Pilot, Trainer

PART_SCREENING, PART_RACING = 0.2, 0.3  # of the time
ROUNDS = (1, 2)  # lengths of the rounds
LEAST = 0.25  # of the time left, for a candidate that does not fit: others are tried after it
ENOUGH = 0.8  # epochs of the first round: with fewer, arms are left out instead
SEEDS = 1  # of the last round
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is trained in full. fits: speed and size are within their limits by what was screened.

    epochs: that the time left allows. pilots: of all that were raced. others: that were trained in
    the race too, the next best first.
    """

    plan: Plan
    fits: bool
    epochs: int
    epoch_s: float
    pilots: Mapping[Plan, Pilot]
    others: tuple[Plan, ...] = ()


def choose(
    space: Space,
    *,
    screening: Screening,
    trainer: Trainer,
    seconds: float,
    spent: Callable[[], float],
    reserve_s: float,
    trainings: int = 1,
    seed: int = 0,
    seeds: int = SEEDS,
    confirm: Confirm | None = None,
) -> Found:
    """The plan to train in full, the most accurate of those that keep to the limits.

    seconds: of the whole search; spent(): of what is over; reserve_s: for what comes after the
    training in full; trainings: how many there are in full, controls included; seeds: that decide
    the last round; confirm(plan): what it takes of budgets on time in fresh processes. Where
    nothing fits, the plan that exceeds its limits least, with fits=False.
    Raises InputError where no candidate can be made, and where every training of the race diverged.
    """
    fitting = screening.widest(space)
    if not fitting:
        least = min(screening.seen, key=lambda plan: excess(screening.seen[plan], screening.limits))
        if reason := screening.seen[least].failed:
            what = f"no candidate can be built, exported and stored; {least.name}: {reason}"
            raise InputError(what, where="student", cure="search other families")
        trainer.run(least, seed=seed, epochs=1)
        return _found(least, trainer, LEAST * (seconds - spent() - reserve_s), fits=False)
    arms = roomiest(fitting, screening.seen)
    trainer.look_at(arms)
    first = trainer.quickest(arms) or min(arms, key=lambda plan: screening.seen[plan].macs)
    trainer.run(first, seed=seed, epochs=1)
    racing_s = max(0.0, PART_RACING * seconds - trainer.spent.seconds)
    full_s = (seconds - spent() - reserve_s - racing_s) / trainings
    # The one that was trained stays as it is: what others are narrowed by is a prediction.
    narrowed = [affordable(space, plan, trainer, full_s) for plan in arms if plan != first]
    arms = shortlist([first, *keeping(space, narrowed, screening)], screening.seen)
    room = min(racing_s, seconds - spent() - reserve_s)
    arms, length = lengths(arms, trainer, room, seeds=seeds)
    held = hold(arms, trainer, length=length, seed=seed, seeds=seeds)
    ranked = ranking(held, arms, screening.seen)
    if not ranked:
        raise _none_trained(arms, trainer)
    best = ranked[0]
    if confirm is not None:
        best = confirmed(ranked, space, screening=screening, confirm=confirm)
    found = _found(best, trainer, (seconds - spent() - reserve_s) / trainings, fits=True)
    return replace(found, others=tuple(plan for plan in ranked if plan != best))


def finish_best(
    found: Found,
    trainer: Trainer,
    *,
    finish: Callable[[Found], T | None],
    left_s: Callable[[], float],
) -> tuple[Found, T]:
    """Train in full what was found; where that fails, the next best, for what time is left then.

    finish(found): None where it fails, which trainer.failed then says of the plan. left_s(): for
    one more training. Raises InputError where all fail.
    """
    while (seen := finish(found)) is None:
        if not found.others:
            reason = trainer.failed[found.plan]
            what = f"no candidate could be trained in full; {found.plan.name}: {reason}"
            raise InputError(what, where="student", cure="search other families")
        following, *others = found.others
        found = replace(_found(following, trainer, left_s(), fits=found.fits), others=tuple(others))
    return found, seen


def solve(
    space: Space,
    limits: Sequence[Limit],
    *,
    screen: Screen,
    evaluate: Evaluate,
    seconds: float,
    operators: Callable[[Plan], Sequence[Operator]] | None = None,
    most_epochs: int = 1000,
    seed: int = 0,
    seeds: int = SEEDS,
    study: str | None = None,
    name: str = "search",
) -> Found:
    """Find the plan of a space that keeps to its limits and is most accurate in a time.

    screen(plan): what it takes, untrained. evaluate(plan, seed=, epochs=): trains it briefly. What
    both say of their own seconds is what counts as time. The plan found is not yet trained in full:
    found.epochs says for how long the time left allows. found.fits is False where nothing fits.
    study: a path, or a database as `postgresql://host/base`; calls with the same study and name,
    also on other machines, share the work and find the same.

    Raises ValueError for an empty space and for a limit that is not above 0, InputError where no
    candidate can be made, and where every training diverged.
    """
    if not space.structures or not space.schemes:
        raise ValueError("there is nothing to search: the space is empty")
    if bad := [one.budget for one in limits if not one.limit > 0]:
        raise ValueError(f"limits must be above 0: {', '.join(bad)}")
    alone = Alone(screen, evaluate)
    with nullcontext(alone) if study is None else open_study(study, name, space, alone) as ledger:
        trainer = Trainer(ledger=ledger, operators=operators, most_epochs=most_epochs)
        screening = Screening(limits=limits, ledger=ledger, operators=operators)
        screening.go_on = lambda: screening.spent.seconds < PART_SCREENING * seconds
        return choose(
            space,
            screening=screening,
            trainer=trainer,
            seconds=seconds,
            spent=lambda: screening.spent.seconds + trainer.spent.seconds,
            reserve_s=0.0,
            seed=seed,
            seeds=seeds,
        )


def ranking(held: Race, arms: Sequence[Plan], seen: Mapping[Plan, Screened]) -> list[Plan]:
    """All that were trained, the best first: by the longest round that each was trained in, as a
    longer training may fail where a shorter one did not."""
    ranked: list[Plan] = []
    for rung in (one for one in reversed(held.rungs) if one.complete):
        means = {p: rung.mean(p.name) for p in arms if p.name in rung.scores and p not in ranked}
        trained = [plan for plan, mean in means.items() if math.isfinite(mean)]
        ranked += sorted(trained, key=lambda plan: (-means[plan], seen[plan].p50_ms))
    return ranked


def _none_trained(arms: Sequence[Plan], trainer: Trainer) -> InputError:
    for plan in arms:
        if not (reason := trainer.failed[plan]).startswith(DIVERGED):
            what = f"no candidate could be trained; {plan.name}: {reason}"
            return InputError(what, where="student", cure="search other families")
    what = "every candidate's training diverged"
    return InputError(what, where="distill.learning_rate", cure="lower it")


def rounds(arms: int, seeds: int) -> tuple[tuple[int, int], ...]:
    """(length, seeds) of each round. The last one, which decides, has all seeds; one that would
    have a single arm decides nothing and is left out."""
    if arms > 2:
        return (ROUNDS[0], 1), (ROUNDS[1], seeds)
    return ((ROUNDS[0], seeds if arms > 1 else 1),)


def lengths(
    arms: Sequence[Plan], trainer: Trainer, seconds: float, *, seeds: int = SEEDS
) -> tuple[list[Plan], float]:
    """How many arms are raced and the seconds of training in the first round: as many as get
    ENOUGH epochs each, two at least. One alone has nothing to win: its first epoch is enough."""
    if len(arms) == 1:
        return list(arms), 0.0
    for count in range(len(arms), 1, -1):
        kept = list(arms[:count])
        held = zip((count, math.ceil(count / 2)), rounds(count, seeds), strict=False)
        counts = [(number * each, length) for number, (length, each) in held]
        trained = sum(number * length for number, length in counts)
        pilots = sum(number for number, _ in counts)
        length = (seconds - pilots * trainer.start_s) / trained
        typical = sorted(trainer.epoch_s(plan) for plan in kept)[count // 2]
        if length >= ENOUGH * typical or count <= 2:
            return kept, max(length, typical)
    raise ValueError("a race needs arms")


def hold(
    arms: Sequence[Plan], trainer: Trainer, *, length: float, seed: int, seeds: int = SEEDS
) -> Race:
    """Halfway between equal seconds, which is what the training in full gives each of them, and
    equal epochs: a small network is done learning sooner, and short rounds alone would favour it.

    Rounds are counted in hundredths of the first one's length.
    """
    by_name = {plan.name: plan for plan in arms}
    typical = sorted(trainer.epoch_s(plan) for plan in arms)[len(arms) // 2]
    asked: dict[tuple[str, int, int], Asked] = {}

    def ahead(pilots: Sequence[tuple[str, int, int]]) -> None:
        for name, own, hundredths in pilots:
            plan = by_name[name]
            share = math.sqrt(trainer.epoch_s(plan) / max(1e-6, typical))
            epochs = trainer.epochs_in(plan, share * length * hundredths / 100)
            asked[name, own, hundredths] = Asked(plan=plan, seed=own, epochs=epochs)
        trainer.run_all([asked[pilot] for pilot in pilots])

    def evaluate(name: str, own: int, hundredths: int) -> float:
        one = asked[name, own, hundredths]
        return trainer.run(one.plan, seed=one.seed, epochs=one.epochs)

    held = rounds(len(arms), seeds)
    return race(
        tuple(by_name),
        controls=(),
        evaluate=evaluate,
        seeds=range(seed, seed + held[0][1]),
        last_seeds=range(seed, seed + held[-1][1]),
        rungs=[100 * part for part, _ in held],
        ahead=ahead,
    )


def _found(plan: Plan, trainer: Trainer, left_s: float, *, fits: bool) -> Found:
    epoch_s = trainer.epoch_s(plan)
    fitting = int((left_s - trainer.start_s) / max(1e-6, epoch_s))
    return Found(
        plan=plan,
        fits=fits,
        epochs=max(1, min(trainer.most_epochs, fitting)),
        epoch_s=epoch_s,
        pilots=trainer.pilots,
    )
