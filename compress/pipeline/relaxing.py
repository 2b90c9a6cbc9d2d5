"""Where a search found nothing that meets its budgets: which of them would have to give way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from compress.pipeline.limits import on_accuracy, written
from compress.pipeline.outlook import Outlook
from compress.recipe.catalogue import budget_limit
from compress.recipe.nodes import Budget
from compress.search.relax import Enough, Goal, or_trained, relax
from compress.search.screening import Limit, Screening, excess
from compress.search.solve import PART_SCREENING, Found
from compress.search.space import Space
from compress.search.trainer import Trainer
from compress.trials import Relaxation

PART_PILOT = 0.05  # of the time left, where nothing fits
LOOKS = 3  # pilots per limit that the time left is to be enough for, where something fits


def relaxations(
    budgets: tuple[Budget, ...],
    space: Space,
    found: Found,
    seen: Outlook,
    *,
    screening: Screening,
    trainer: Trainer,
    finish: Callable[[Found], Outlook | None],
    left_s: float,
    trainings: int = 1,
    seed: int,
    floor: float | None = None,
) -> tuple[Found, Outlook, str | None, tuple[Relaxation, ...]]:
    """(the best candidate, what is known of it, the budget that binds, a line per budget that would
    have to give way).

    Where something meets the limits on speed and size, accuracy binds and that candidate stays the
    best. Otherwise the best is the one that oversteps a single limit least and keeps the rest; half
    of the time left is for its trainings in full. finish(found): None where that fails; then what
    was trained before stays the best. floor: as hold_within.
    """
    by_id = {budget.id: budget for budget in budgets}

    def spent() -> float:
        return screening.spent.seconds + trainer.spent.seconds

    before, shares = spent(), max(1, len(screening.limits))
    goal = _goal(
        found,
        seen,
        trainer,
        left_s=left_s,
        pilot_s=left_s / (LOOKS * shares),
        trainings=trainings,
        seed=seed,
    )
    began = spent()
    most_s = left_s - (began - before) if found.fits else (0.5 - PART_PILOT) * left_s
    looks_s = PART_SCREENING * left_s / shares
    enough: dict[Limit, Enough] = {}
    # What one limit leaves of its time, the others go on with.
    for part_s in (looks_s, 0.0):
        for place, limit in enumerate(screening.limits):
            screening.go_on = _within(lambda: screening.spent.seconds, part_s)
            own_s = (most_s - (spent() - began)) / (len(screening.limits) - place)
            enough[limit] = relax(
                limit.budget,
                space,
                screening=screening,
                trainer=trainer,
                goal=goal,
                seed=seed,
                go_on=_fits(spent, own_s, began + most_s),
            )
    enough = _with_trained(enough, found, seen, screening)
    best = _least(enough, by_id)
    if not found.fits:
        plan = best[1].plan if best and best[1].plan else found.plan
        epoch_s = trainer.epoch_s(plan)
        epochs = max(1, min(trainer.most_epochs, int(goal.full_s / max(1e-6, epoch_s))))
        # What is trained already is not trained again for less.
        if plan != found.plan or epochs > found.epochs:
            step = replace(found, plan=plan, epochs=epochs, epoch_s=epoch_s, pilots=trainer.pilots)
            if (known := finish(step)) is not None:
                found, seen = step, known
                enough = _with_trained(enough, found, seen, screening)
                if best and floor is not None and seen.accuracy < floor:
                    enough[best[0]] = _open(best[1], "misses the accuracy")
                best = _least(enough, by_id) or best
            elif best and plan != found.plan:
                enough[best[0]] = _open(best[1], "failed")
    fits = _keeps(found, screening)
    missed = [b for b in budgets if on_accuracy(b) and not (fits and _met(b, seen.enough[b.id]))]
    lines = [_line(by_id[limit.budget], limit, one) for limit, one in enough.items()]
    lines += [_on_accuracy(budget, found, seen, fits=fits) for budget in missed]
    told = tuple(line for line in lines if line is not None)
    if fits:
        binding = missed[0].id if missed else None
    else:
        binding = best[0].budget if best else _worst(found, screening)
    return found, seen, binding, told


def _with_trained(
    enough: Mapping[Limit, Enough], found: Found, seen: Outlook, screening: Screening
) -> dict[Limit, Enough]:
    """With what the training in full of a plan that reaches the accuracy says."""
    if not seen.reaches:
        return dict(enough)
    return {limit: or_trained(one, found.plan, screening) for limit, one in enough.items()}


def _least(
    enough: Mapping[Limit, Enough], by_id: Mapping[str, Budget]
) -> tuple[Limit, Enough] | None:
    """The limit that has to give way by the least share; None where none alone would do."""
    options = [
        (one.value / limit.limit, limit, one)
        for limit, one in enough.items()
        if one.value is not None and not _same(by_id[limit.budget], one.value, limit.limit)
    ]
    return min(options, key=lambda option: option[0])[1:] if options else None


def _line(budget: Budget, limit: Limit, enough: Enough) -> Relaxation | None:
    """None where what would do keeps to this limit: another budget binds."""
    if enough.value is not None and _same(budget, enough.value, limit.limit):
        return None
    return Relaxation(
        budget=limit.budget,
        limit=written(budget, limit.limit),
        enough=None if enough.value is None else written(budget, enough.value),
        candidate=None if enough.plan is None else enough.plan.name,
        reason=enough.reason,
        tried=enough.tried,
    )


def _open(enough: Enough, how: str) -> Enough:
    """Of a limit whose candidate did not do where it was trained in full."""
    assert enough.plan is not None
    reason = f"{enough.plan.name} {how} where it was trained in full"
    return replace(enough, value=None, plan=None, reason=reason, tried=False)


def _goal(
    found: Found,
    seen: Outlook,
    trainer: Trainer,
    *,
    left_s: float,
    pilot_s: float,
    trainings: int,
    seed: int,
) -> Goal:
    """What pilots must reach. What a full training brings is told by the candidate which had both:
    a pilot of the race, or another one where that took more than pilot_s or far less. Where nothing
    fits it had a shorter training than is due, and that brings at least as much."""
    if found.fits:
        epoch_s = trainer.epoch_s(found.plan)
        epochs, short = _own_pilot(found, trainer, left_s=left_s, pilot_s=pilot_s, seed=seed)
        length_s, full_s = epochs * epoch_s, found.epochs * epoch_s
    else:
        length_s, full_s = PART_PILOT * left_s, left_s / 2 / trainings
        short = seen.accuracy
        if seen.aim is not None:
            epochs = trainer.epochs_in(found.plan, length_s)
            short = trainer.run(found.plan, seed=seed, epochs=epochs)
    rest = min(1.0, (1 - seen.accuracy) / max(1e-9, 1 - short))
    return Goal(aim=seen.aim, rest=rest, length_s=length_s, full_s=full_s)


def _own_pilot(
    found: Found, trainer: Trainer, *, left_s: float, pilot_s: float, seed: int
) -> tuple[int, float]:
    """(epochs, accuracy) of a pilot of the plan that was trained in full, to compare others by."""
    plan, epoch_s = found.plan, trainer.epoch_s(found.plan)
    pilot = trainer.pilots.get(plan)
    if pilot is None:  # it was narrowed after the race
        return 1, trainer.run(plan, seed=seed, epochs=1)
    due = max(1, min(found.epochs, int((pilot_s - trainer.start_s) / max(1e-6, epoch_s))))
    # One of the plan itself and one of another.
    worth = 2 * (trainer.start_s + due * epoch_s) <= left_s
    if worth and not due / 2 <= pilot.epochs <= due:
        accuracy = trainer.run(plan, seed=seed, epochs=due)
        if math.isfinite(accuracy):
            return due, accuracy
    return pilot.epochs, pilot.accuracy


def _within(spent: Callable[[], float], seconds: float) -> Callable[[], bool]:
    """Whether less than so many seconds were spent from now on."""
    until = spent() + seconds
    return lambda: spent() < until


def _fits(spent: Callable[[], float], own_s: float, until: float) -> Callable[[float], bool]:
    """Whether what takes so many seconds may start: before own_s are over, and done by `until`."""
    own = _within(spent, own_s)
    return lambda seconds: own() and spent() + seconds <= until


def _same(budget: Budget, value: float, limit: float) -> bool:
    """Whether a limit that would do is this one, or one that is tighter."""
    return value <= limit or written(budget, value) == written(budget, limit)


def _met(budget: Budget, enough: float) -> bool:
    limit = budget_limit(budget)
    return enough <= limit.value if limit.field == "max_drop" else enough >= limit.value


def _on_accuracy(budget: Budget, found: Found, seen: Outlook, *, fits: bool) -> Relaxation:
    limit = budget_limit(budget)
    text = f"{limit.field}: {limit.text}"
    if not fits:
        reason = "the limits on speed and size can't be met at any accuracy"
        return Relaxation(budget=budget.id, limit=text, enough=None, candidate=None, reason=reason)
    return Relaxation(
        budget=budget.id,
        limit=text,
        enough=written(budget, seen.enough[budget.id]),
        candidate=found.plan.name,
        reason="trained in full, with room for chance on a new test set",
    )


def _keeps(found: Found, screening: Screening) -> bool:
    return excess(screening.look(found.plan), screening.limits) <= 1


def _worst(found: Found, screening: Screening) -> str:
    values = screening.look(found.plan).values
    return max(screening.limits, key=lambda one: values[one.budget] / one.limit).budget
