"""Predictions that a user stored: an npz file with labels, and what each model answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.gate.lookup import BASELINE, STUDENT, TEACHER
from compress.metrics.scores import Answers, answers
from compress.pipeline.gate_needs import reference_of
from compress.recipe.catalogue import OF_SCORES
from compress.recipe.nodes import Budget

SUBJECTS = (STUDENT, TEACHER, BASELINE)
_CURE = "write it with numpy.savez(labels=.., student=.., teacher=..)"
_MOST_CLASSES = 100_000

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """models: subject -> class indices (n,) or scores (n, width). labels: (n,), None where there
    are none; groups: (n,), None where each sample is its own; classes: names, as far as given;
    columns: (n,) each, what else is known of the samples."""

    path: Path
    models: Mapping[str, NDArray[np.generic]]
    ids: NDArray[np.int64]
    labels: NDArray[np.int64] | None
    groups: NDArray[np.int64] | None
    classes: tuple[str, ...]
    columns: Mapping[str, NDArray[np.generic]]

    def scored(self, subject: str) -> bool:
        return subject in self.models and self.models[subject].ndim == 2

    def answers(self) -> tuple[Answers, ...]:
        """Of every model. Raises InputError without labels, or where they fit no class."""
        labels = self.labels
        if labels is None:
            raise self._error("holds no `labels`")
        for name, values in self.models.items():
            if values.ndim == 2 and int(labels.max(initial=0)) >= values.shape[1]:
                what = f"`{name}` scores {values.shape[1]} classes, and labels go to {labels.max()}"
                raise self._error(what, "give a score for each class")
        return tuple(
            answers(name, values.astype(np.float64), labels)
            if values.ndim == 2
            else Answers(subject=name, classes=values.astype(np.int64))
            for name, values in self.models.items()
        )

    def check(self, budget: Budget) -> None:
        """InputError, with what to store, where a budget needs what is not here."""
        reference = reference_of(budget)
        names = [STUDENT] if reference is None else [STUDENT, reference]
        for name in names:
            if name not in self.models:
                cure = f"store what the {name} answers to the same samples as `{name}`"
                raise self._error(f"holds no `{name}`, which the budget {budget.id} needs", cure)
        flat = [name for name in names if not self.scored(name)]
        if budget.metric == "spearman" and flat:
            what = f"`{flat[0]}` holds no embeddings, which the budget {budget.id} compares"
            raise self._error(what, f"store `{flat[0]}` as (samples, width) floats")
        if budget.metric in OF_SCORES and flat:
            raise self._unscored(flat[0], budget.metric)
        kind = budget.per_slice
        if kind == "confidence" and kind not in self.columns and names[-1] in flat:
            raise self._unscored(names[-1], "a slice by confidence")
        if kind not in (None, "all", "class", "confidence", *self.columns):
            what = f"holds no `{kind}`, by which the budget {budget.id} slices"
            raise self._error(what, f"store an array `{kind}` with a value per sample")

    def _unscored(self, subject: str, wanted: str) -> InputError:
        cure = f"store `{subject}` as (samples, classes) floats: logits or probabilities"
        return self._error(f"`{subject}` holds classes alone, and {wanted} needs scores", cure)

    def _error(self, what: str, cure: str = _CURE) -> InputError:
        return InputError(what, where=str(self.path), cure=cure)


def read_predictions(path: Path) -> Predictions:
    """Stored predictions: `student` and the others, `labels`, and what else is known.

    `groups` says which recording or document a sample is of, `ids` and `classes` name samples and
    classes; every further array with a value per sample is a column. Raises InputError.
    """
    arrays = read_arrays(path)
    if STUDENT not in arrays:
        raise InputError("holds no `student`", where=str(path), cure=_CURE)
    names = arrays.pop("classes", None)
    models = {name: _model(arrays.pop(name), path, name) for name in SUBJECTS if name in arrays}
    samples = len(models[STUDENT])
    if not samples:
        raise InputError("holds no samples", where=str(path), cure=_CURE)
    own = {name: arrays.pop(name, None) for name in ("labels", "ids", "groups")}
    for name, values in {**models, **{k: v for k, v in own.items() if v is not None}}.items():
        if len(values) != samples or (name in own and values.ndim != 1):
            what = f"`{name}` is of shape {values.shape}, and `student` has {samples} samples"
            raise InputError(what, where=str(path), cure="give one row per sample, in one order")
    ids, labels, groups = own["ids"], own["labels"], own["groups"]
    return Predictions(
        path=path,
        models=models,
        ids=np.arange(samples) if ids is None else ids.astype(np.int64),
        labels=None if labels is None else _indices(labels, path, "labels"),
        groups=None if groups is None else _numbered(groups, path),
        classes=() if names is None else tuple(str(name) for name in names),
        columns={name: values for name, values in arrays.items() if values.shape == (samples,)},
    )


def read_arrays(path: Path) -> Arrays:
    """Every array of an npz file. Raises InputError for what is none, and for pickled objects."""
    try:
        with np.load(path, allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"can't be read: {reason}", where=str(path), cure=_CURE) from error
    except (ValueError, EOFError, AttributeError, TypeError, KeyError) as error:
        what = "is no npz file without pickled objects"
        raise InputError(what, where=str(path), cure=_CURE) from error


def _model(values: NDArray[np.generic], path: Path, name: str) -> NDArray[np.generic]:
    if values.ndim == 2 and values.dtype.kind == "f" and values.shape[1] > 1:
        numbers = values.astype(np.float64)
        if bool(np.isnan(numbers).any() or np.isposinf(numbers).any()):
            what = f"`{name}` holds scores that are no numbers"
            raise InputError(what, where=str(path), cure="look for NaN in what the model answers")
        return values
    if values.ndim == 1 and values.dtype.kind in "iu":
        return _indices(values, path, name)
    what = f"`{name}` is {values.dtype} of shape {values.shape}"
    raise InputError(what, where=str(path), cure="give a class index or scores per sample")


def _indices(values: NDArray[np.generic], path: Path, name: str) -> NDArray[np.int64]:
    """Class indices. InputError where they are none."""
    integers = values.dtype.kind in "iu"
    found: NDArray[np.int64] = values.astype(np.int64) if integers else np.full(1, -1)
    if int(found.min(initial=0)) < 0 or int(found.max(initial=0)) >= _MOST_CLASSES:
        raise InputError(f"`{name}` are no class indices from 0", where=str(path), cure=_CURE)
    return found


def _numbered(groups: NDArray[np.generic], path: Path) -> NDArray[np.int64]:
    """Names or numbers of recordings as 0, 1, 2, ..: one alone would prove nothing."""
    found, numbers = np.unique(groups, return_inverse=True)
    if len(found) < 2:
        what = "`groups` puts all samples into one group"
        raise InputError(what, where=str(path), cure="name the recording or document of each")
    flat: NDArray[np.int64] = numbers.reshape(-1).astype(np.int64)
    return flat
