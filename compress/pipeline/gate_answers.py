"""Answers of the files that a gate judges, on the test samples of a recipe's task."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.environment import read_environment
from benchmarks.values import Environment
from compress.errors import InputError
from compress.gate.baseline import BaselineState, Machine, machine_in, other_kernels
from compress.gate.lookup import BASELINE, STUDENT, TEACHER
from compress.metrics.compared import Compared, compare_answers
from compress.metrics.fidelity import MOST, fidelity, spread_rows
from compress.metrics.scores import Answers, answers
from compress.pipeline.gate_needs import AnswerNeeds
from compress.pipeline.scenarios import absent_kinds, all_slices, check_slices, slice_kinds
from compress.pipeline.stages.predicting import scores, some
from compress.pipeline.stored_predictions import read_arrays
from compress.recipe.embedding_checks import metric_misfit
from compress.recipe.nodes import Slices
from compress.tasks.data import Samples, Task
from compress.values import Fidelity, PairedQuality, Quality, Slice
from exporters.cpus import allowed_cpus

REFERENCES = (TEACHER, BASELINE)
Classes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskData:
    """What of a recipe answers are judged on. slices: as a run of it would make them."""

    task: Task
    slices: Slices
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the judge needs of answers. fingerprint: of the samples and their labels; arrays: ids,
    labels, and classes per subject; slices_absent, answered_on: as in Report."""

    fingerprint: str
    arrays: Mapping[str, NDArray[np.int64]]
    classes: tuple[str, ...] = ()
    qualities: tuple[Quality, ...] = ()
    pairs: tuple[PairedQuality, ...] = ()
    slices: tuple[Slice, ...] = ()
    slices_absent: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fidelities: tuple[Fidelity, ...] = ()
    answered_on: Environment | None = None
    notes: tuple[str, ...] = ()


def answered_by_task(
    data: TaskData, files: Mapping[str, Path], state: BaselineState | None, needs: AnswerNeeds
) -> Answered:
    """Every file on the test split. A baseline whose file is gone answers from what is stored of
    it, as long as that is of the same data and the same kernels. Raises InputError for a budget
    that the task's data can't answer."""
    task = data.task
    _check(data, needs)
    environment = read_environment()
    if task.outputs == "embeddings":
        return _embedded(task, files, environment)
    test, threads = task.test(), allowed_cpus()

    def score(name: str, samples: Samples) -> NDArray[np.float32]:
        return scores(files[name], task, samples, threads=threads)

    given = [answers(name, score(name, test), test.labels) for name in files]
    notes: tuple[str, ...] = ()
    if BASELINE not in files and any(budget.vs == BASELINE for budget in needs.budgets):
        stored, notes = _stored(state, task.fingerprint, test.ids, machine_in(environment))
        given += [] if stored is None else [Answers(subject=BASELINE, classes=stored)]
    compared = compare_answers(
        given,
        test.labels,
        task.classes,
        groups=test.groups,
        seed=data.seed,
        resampled=needs.resampled,
    )
    sliced = [one for one in given if one.subject in REFERENCES and needs.sliced(one.subject)]
    student = compared.given[STUDENT]
    slices = [
        all_slices(task, test, one, student, node=data.slices, seed=data.seed, scores=score)
        for one in sliced
    ]
    absent = {one.subject: absent_kinds(task, data.slices, one) for one in sliced}
    return Answered(
        classes=task.classes,
        fingerprint=task.fingerprint,
        qualities=tuple(compared.quality(one.subject) for one in given),
        pairs=pairs_of(compared),
        slices=tuple(one for found in slices for one in found),
        slices_absent={name: kinds for name, kinds in absent.items() if kinds},
        arrays=arrays_of(test.ids, compared),
        answered_on=environment,
        notes=notes,
    )


def _check(data: TaskData, needs: AnswerNeeds) -> None:
    task = data.task
    for budget in needs.lacking:
        misfit = metric_misfit(budget.metric, task.outputs)
        if misfit is not None:
            raise InputError(misfit[0], where=f"budget {budget.id}", cure=misfit[1])
        if budget.per_slice is None:
            continue
        check_slices(task, data.slices)
        kinds = slice_kinds(task, data.slices)
        if budget.per_slice not in ("all", *kinds):
            raise InputError(
                f"the test split has no slices by {budget.per_slice}",
                where=f"budget {budget.id}",
                cure=f"here they are by {', '.join(kinds)}; `slices` in the recipe says which",
            )


def _embedded(task: Task, files: Mapping[str, Path], environment: Environment) -> Answered:
    """How the student keeps the teacher's similarities; no sample has a label."""
    whole = task.test()
    test = some(whole, spread_rows(len(whole), MOST))
    teacher, student = (
        scores(files[name], task, test, threads=allowed_cpus()) for name in (TEACHER, STUDENT)
    )
    return Answered(
        fingerprint=task.fingerprint,
        arrays={"ids": test.ids},
        fidelities=(fidelity(TEACHER, STUDENT, teacher, student, groups=test.groups),),
        answered_on=environment,
    )


def pairs_of(compared: Compared) -> tuple[PairedQuality, ...]:
    """The student against every reference that answered."""
    return tuple(compared.pair(name, STUDENT) for name in REFERENCES if name in compared.given)


def arrays_of(ids: NDArray[np.int64], compared: Compared) -> dict[str, NDArray[np.int64]]:
    """What is kept of answers."""
    classes = {name: one.classes for name, one in compared.given.items()}
    return {"ids": ids, "labels": compared.labels, **classes}


def _stored(
    state: BaselineState | None, fingerprint: str, ids: NDArray[np.int64], here: Machine
) -> tuple[Classes | None, tuple[str, ...]]:
    """The baseline's own predictions, where they are of these samples and what its file would
    answer here; and what is to be said of them. InputError for a file that is another one."""
    if state is None or state.stored is None or state.folder is None:
        return None, ()
    stored = state.stored
    if not stored.predictions or stored.data_fingerprint != fingerprint:
        return None, ()
    other = other_kernels(stored, here)
    if other:
        return None, (f"the stored answers of the {state.title} are set aside: {other}",)
    path = state.folder / stored.predictions
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    arrays = read_arrays(path) if digest == stored.predictions_sha256 else {}
    if "ids" not in arrays or not np.array_equal(arrays["ids"], ids):
        what = f"is not what the {state.title} answered, and its model file is absent too"
        raise InputError(what, where=str(path), cure=f"restore either, or {state.update}")
    note = f"the answers of the {state.title} are the stored ones: its file is absent"
    return arrays[BASELINE].astype(np.int64), (note,)
