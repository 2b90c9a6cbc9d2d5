"""What validation says of a trained candidate, and what to relax where it is not enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from compress.pipeline.context import Context
from compress.pipeline.decisions import DECISION_FILE, read_decision
from compress.pipeline.limits import accuracy_floor, on_accuracy, written
from compress.pipeline.stage import Finished
from compress.pipeline.stages.exporting import EXPORT, FLOAT_FILE
from compress.pipeline.stages.predicting import predict
from compress.pipeline.stages.quantizing import CHOOSE, INT8_FILE, QUANTIZE
from compress.pipeline.stages.teacher import TEACHER_FILE
from compress.recipe.catalogue import budget_limit
from compress.recipe.nodes import Budget
from compress.search.relax import Goal, Room, or_trained, relax, standard_error
from compress.search.screening import Screening, excess
from compress.search.solve import PART_SCREENING, Found
from compress.search.space import Plan, Space
from compress.search.trainer import Trainer
from compress.trials import Relaxation

PART_PILOT = 0.05  # of the time left, where nothing fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """accuracy: of the file to ship, on validation. aim: what gives the test 80 % power; None
    without a budget on accuracy. enough: budget -> the limit that it is expected to meet."""

    accuracy: float
    aim: float | None
    enough: Mapping[str, float]
    seconds: float

    @property
    def reaches(self) -> bool:
        """Whether the budgets on accuracy are expected to be met."""
        return self.aim is None or self.accuracy >= self.aim


def outlook(
    context: Context,
    budgets: tuple[Budget, ...],
    done: Mapping[str, Finished],
    *,
    teacher: Finished | None,
) -> Outlook:
    """From the finished stages of a training in full."""
    validation, task = context.task.validation, context.task
    path = done[EXPORT].files[FLOAT_FILE]
    if CHOOSE in done and read_decision(done[CHOOSE].files[DECISION_FILE]).chosen != "float32":
        path = done[QUANTIZE].files[INT8_FILE]
    right = predict(path, task, validation, threads=context.threads) == validation.labels
    accuracy, samples = float(right.mean()), len(validation)
    before = np.ones(samples, dtype=bool)
    if teacher is not None and TEACHER_FILE in teacher.files:
        answered = predict(teacher.files[TEACHER_FILE], task, validation, threads=context.threads)
        before = answered == validation.labels
    known: float | None = None
    if teacher is not None:
        known = teacher.json("facts.json")["validation_accuracy"]
    lost, gained = int((before & ~right).sum()), int((right & ~before).sum())
    judged = task.test_samples or samples
    aims, enough = [], {}
    for budget in budgets:
        room = room_for_chance(budget, accuracy, lost, gained, samples=samples, judged=judged)
        aims.append(accuracy_floor(budget, known) + room.aim)
        if budget_limit(budget).field == "max_drop":
            assert known is not None
            enough[budget.id] = max(0.0, known - accuracy + room.repeated)
        else:
            enough[budget.id] = accuracy - room.repeated
    return Outlook(
        accuracy=accuracy,
        aim=max(aims, default=None),
        enough=enough,
        seconds=sum(one.entry.seconds for one in done.values()),
    )


def floor_of(budgets: tuple[Budget, ...], *, teacher: Finished | None) -> float | None:
    """The accuracy on validation that is asked for, without room for chance; None: none is."""
    known = None if teacher is None else teacher.json("facts.json")["validation_accuracy"]
    limited = filter(on_accuracy, budgets)
    return max((accuracy_floor(budget, known) for budget in limited), default=None)


def room_for_chance(
    budget: Budget, accuracy: float, lost: int, gained: int, *, samples: int, judged: int
) -> Room:
    """Of a budget on accuracy. lost, gained: against the teacher, of `samples` of validation;
    judged: samples of test, whose errors are those of validation, scaled."""
    drop = budget_limit(budget).field == "max_drop"
    error = math.sqrt(accuracy * (1 - accuracy) / samples)
    if drop:
        error = standard_error(lost, gained, samples)
    return Room(
        validation=error,
        test=error * math.sqrt(samples / judged),
        bounded=not (drop and budget.test == "point"),
    )


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
) -> tuple[Found, Outlook, str | None, tuple[Relaxation, ...]]:
    """(the best candidate, what is known of it, the budget that binds, a line per budget that would
    have to give way).

    Where something meets the limits on speed and size, accuracy binds and that candidate stays the
    best. Otherwise the best is the one that oversteps a single limit least and keeps the rest; half
    of the time left is for its trainings in full. finish(found): None where that fails; then what
    was trained before stays the best.
    """
    by_id = {budget.id: budget for budget in budgets}
    goal = _goal(found, seen, trainer, left_s=left_s, trainings=trainings, seed=seed)
    most_s = left_s if found.fits else (0.5 - PART_PILOT) * left_s
    looks_s = PART_SCREENING * left_s / max(1, len(screening.limits))

    def spent() -> float:
        return screening.spent.seconds + trainer.spent.seconds

    began = spent()
    lines: list[Relaxation] = []
    best: tuple[float, str, Plan] | None = None
    for place, limit in enumerate(screening.limits):
        screening.go_on = _within(lambda: screening.spent.seconds, looks_s)
        own_s = (most_s - (spent() - began)) / (len(screening.limits) - place)
        enough = relax(
            limit.budget,
            space,
            screening=screening,
            trainer=trainer,
            goal=goal,
            seed=seed,
            go_on=_fits(spent, own_s, began + most_s),
        )
        if seen.reaches:
            enough = or_trained(enough, found.plan, screening)
        value = enough.value
        if value is not None and _same(by_id[limit.budget], value, limit.limit):
            continue  # it keeps to this one: another budget binds
        lines.append(
            Relaxation(
                budget=limit.budget,
                limit=written(by_id[limit.budget], limit.limit),
                enough=None if value is None else written(by_id[limit.budget], value),
                candidate=None if enough.plan is None else enough.plan.name,
                reason=enough.reason,
                tried=enough.tried,
            )
        )
        if enough.plan is not None and value is not None:
            option = (value / limit.limit, limit.budget, enough.plan)
            best = min(best or option, option, key=lambda one: one[0])
    if not found.fits:
        plan = best[2] if best else found.plan
        epoch_s = trainer.epoch_s(plan)
        epochs = max(1, min(trainer.most_epochs, int(goal.full_s / max(1e-6, epoch_s))))
        # What is trained already is not trained again for less.
        if plan != found.plan or epochs > found.epochs:
            step = replace(found, plan=plan, epochs=epochs, epoch_s=epoch_s, pilots=trainer.pilots)
            if (known := finish(step)) is not None:
                found, seen = step, known
            elif best:
                lines = [_open(one) if one.budget == best[1] else one for one in lines]
    fits = _keeps(found, screening)
    missed = [b for b in budgets if on_accuracy(b) and not (fits and _met(b, seen.enough[b.id]))]
    lines += [_on_accuracy(budget, found, seen, fits=fits) for budget in missed]
    if fits:
        binding = missed[0].id if missed else None
    else:
        binding = best[1] if best else _worst(found, screening)
    return found, seen, binding, tuple(lines)


def _open(line: Relaxation) -> Relaxation:
    """Of a limit whose candidate failed where it was trained in full."""
    reason = f"{line.candidate} failed where it was trained in full"
    return replace(line, enough=None, candidate=None, reason=reason, tried=False)


def _goal(
    found: Found, seen: Outlook, trainer: Trainer, *, left_s: float, trainings: int, seed: int
) -> Goal:
    """What pilots must reach. The gain of a full training over a pilot is that of the candidate
    which had both; where nothing fits it had a shorter one than is due, and the gain is at least
    this."""
    if found.fits:
        if found.plan not in trainer.pilots:  # it was narrowed after the race
            trainer.run(found.plan, seed=seed, epochs=1)
        pilot, epoch_s = trainer.pilots[found.plan], trainer.epoch_s(found.plan)
        short, length_s, full_s = pilot.accuracy, pilot.epochs * epoch_s, found.epochs * epoch_s
    else:
        length_s, full_s = PART_PILOT * left_s, left_s / 2 / trainings
        short = seen.accuracy
        if seen.aim is not None:
            epochs = trainer.epochs_in(found.plan, length_s)
            short = trainer.run(found.plan, seed=seed, epochs=epochs)
    gain = max(0.0, seen.accuracy - short)
    return Goal(aim=seen.aim, gain=gain, length_s=length_s, full_s=full_s)


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
