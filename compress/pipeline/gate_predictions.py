"""Answers that a gate judges, of a file of stored predictions: nothing runs for them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.gate.lookup import STUDENT, TEACHER
from compress.metrics.compared import Compared, compare_answers
from compress.metrics.fidelity import MOST, fidelity, spread_rows
from compress.metrics.scores import Answers
from compress.metrics.slices import measured_slice, members_of
from compress.pipeline.gate_answers import REFERENCES, Answered, arrays_of, pairs_of
from compress.pipeline.gate_needs import AnswerNeeds
from compress.pipeline.stored_predictions import Predictions, read_predictions
from compress.values import Fidelity, Slice


def answered_by_file(path: Path, needs: AnswerNeeds) -> Answered:
    """Stored predictions. Raises InputError for what is malformed, and for what a budget needs and
    the file does not hold."""
    stored = read_predictions(path)
    for budget in needs.lacking:
        stored.check(budget)
    spearman = [budget for budget in needs.budgets if budget.metric == "spearman"]
    fidelities = _fidelities(stored) if spearman else ()
    if len(spearman) == len(needs.budgets):  # embeddings: no sample has a label
        ids = {"ids": stored.ids}
        return Answered(fingerprint=_digest(stored.ids), arrays=ids, fidelities=fidelities)
    given = stored.answers()
    assert stored.labels is not None
    compared = compare_answers(
        given,
        stored.labels,
        _class_names(stored, given),
        groups=stored.groups,
        resampled=needs.resampled,
    )
    return Answered(
        classes=compared.classes,
        fingerprint=_digest(stored.ids, stored.labels),
        qualities=tuple(compared.quality(one.subject) for one in given),
        pairs=pairs_of(compared),
        slices=tuple(
            one
            for name in REFERENCES
            if name in compared.given
            for one in _slices(stored, compared, name)
        ),
        fidelities=fidelities,
        arrays=arrays_of(stored.ids, compared),
    )


def _fidelities(stored: Predictions) -> tuple[Fidelity, ...]:
    """Of rows that are embeddings."""
    if not (stored.scored(TEACHER) and stored.scored(STUDENT)):
        return ()
    rows = spread_rows(len(stored.ids), MOST)
    teacher, student = (stored.models[n].astype(np.float64)[rows] for n in (TEACHER, STUDENT))
    groups = None if stored.groups is None else stored.groups[rows]
    return (fidelity(TEACHER, STUDENT, teacher, student, groups=groups),)


def _slices(stored: Predictions, compared: Compared, name: str) -> tuple[Slice, ...]:
    """By class, by every column, and by the reference's confidence where its scores are known."""
    reference, student = compared.given[name], compared.given[STUDENT]
    numbers = {}
    if reference.scored is not None and "confidence" not in stored.columns:
        numbers["confidence"] = reference.scored.confidence
    members = members_of(
        compared.labels, compared.classes, columns=stored.columns, numbers=numbers, by=None
    )
    return tuple(
        measured_slice(
            one,
            reference.classes,
            student.classes,
            compared.labels,
            stored.ids,
            groups=stored.groups,
            against=name,
        )
        for one in members
    )


def _class_names(stored: Predictions, given: Sequence[Answers]) -> tuple[str, ...]:
    """Those that are given, and numbers for the others."""
    assert stored.labels is not None
    most = max(int(values.max()) for values in (stored.labels, *(one.classes for one in given)))
    return stored.classes + tuple(str(index) for index in range(len(stored.classes), most + 1))


def _digest(*arrays: NDArray[np.int64]) -> str:
    """Of samples and their labels."""
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
