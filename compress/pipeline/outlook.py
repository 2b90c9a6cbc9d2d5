"""What validation says of a trained candidate, and what accuracy is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from compress.pipeline.context import Context
from compress.pipeline.decisions import DECISION_FILE, read_decision
from compress.pipeline.limits import accuracy_floor, on_accuracy
from compress.pipeline.stage import Finished
from compress.pipeline.stages.exporting import EXPORT, FLOAT_FILE
from compress.pipeline.stages.predicting import predict
from compress.pipeline.stages.quantizing import CHOOSE, INT8_FILE, QUANTIZE
from compress.pipeline.stages.teacher import TEACHER_FILE
from compress.recipe.catalogue import budget_limit
from compress.recipe.nodes import Budget
from compress.search.relax import Room, standard_error


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
