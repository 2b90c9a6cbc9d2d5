"""Answers of the files that a gate judges: run on the task's test samples, or stored ones read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.gate.baseline import BaselineState
from compress.gate.lookup import BASELINE, STUDENT, TEACHER
from compress.metrics.accuracy import quality
from compress.metrics.paired import pair
from compress.metrics.slices import measured_slice, members_of
from compress.pipeline.stages.predicting import predict
from compress.tasks.data import Task
from compress.values import PairedQuality, Quality, Slice
from exporters.cpus import allowed_cpus

_NAMES = (STUDENT, TEACHER, BASELINE)
_CURE = "write it with numpy.savez(labels=.., student=.., teacher=..)"
_MOST_CLASSES = 100_000

Classes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the judge needs of answers. fingerprint: of the samples and their labels."""

    classes: tuple[str, ...]
    fingerprint: str
    qualities: tuple[Quality, ...]
    pairs: tuple[PairedQuality, ...]
    slices: tuple[Slice, ...]
    arrays: Mapping[str, NDArray[np.int64]]  # ids, labels, and classes per subject
    notes: tuple[str, ...] = ()


def answered_by_task(
    task: Task, files: Mapping[str, Path], state: BaselineState | None
) -> Answered:
    """Every file on the test split. A baseline whose file is gone answers from what is stored of
    it, as long as that is of the same data and the same kernels."""
    test = task.test()
    threads = allowed_cpus()
    found = {name: predict(path, task, test, threads=threads) for name, path in files.items()}
    notes: tuple[str, ...] = ()
    stored = None if BASELINE in found else _stored(state, task.fingerprint, test.ids)
    if stored is not None:
        found[BASELINE] = stored
        notes = ("the baseline's answers are the stored ones: its file is absent",)
    return answered(found, test.labels, test.ids, task.classes, {}, task.fingerprint, notes)


def answered_by_file(path: Path) -> Answered:
    """Stored predictions: `labels`, `student` and the others; further arrays are columns.

    Each is a class index per sample, or (samples, classes) scores. Raises InputError.
    """
    arrays = _read(path)
    labels = arrays.pop("labels", None)
    names = arrays.pop("classes", None)
    ids = arrays.pop("ids", None)
    if labels is None or STUDENT not in arrays:
        raise InputError("holds no `labels` and `student`", where=str(path), cure=_CURE)
    truth: Classes = labels.astype(np.int64)
    found = {name: _classes_of(arrays.pop(name), path, name) for name in _NAMES if name in arrays}
    count = max(int(values.max(initial=0)) for values in (truth, *found.values())) + 1
    if count > _MOST_CLASSES or int(truth.min(initial=0)) < 0:
        raise InputError("its labels are no class indices from 0", where=str(path), cure=_CURE)
    given = () if names is None else tuple(str(name) for name in names)
    classes = given + tuple(str(index) for index in range(len(given), count))
    keys = np.arange(len(truth)) if ids is None else ids.astype(np.int64)
    columns = {name: values for name, values in arrays.items() if values.shape == truth.shape}
    whole = hashlib.sha256(keys.tobytes() + truth.tobytes()).hexdigest()
    return answered(found, truth, keys, classes, columns, whole, ())


def answered(
    found: Mapping[str, Classes],
    labels: Classes,
    ids: NDArray[np.int64],
    classes: tuple[str, ...],
    columns: Mapping[str, NDArray[np.generic]],
    fingerprint: str,
    notes: tuple[str, ...],
) -> Answered:
    """What classes alone can say, of every subject in `found`. labels: (n,)."""
    references = [name for name in (TEACHER, BASELINE) if name in found]
    members = members_of(labels, classes, columns=columns, numbers={}, by=None)
    slices = tuple(
        measured_slice(one, found[name], found[STUDENT], labels, ids, against=name)
        for name in references
        for one in members
    )
    return Answered(
        classes=classes,
        fingerprint=fingerprint,
        qualities=tuple(quality(name, predicted, labels) for name, predicted in found.items()),
        pairs=tuple(
            pair(name, STUDENT, found[name], found[STUDENT], labels, classes) for name in references
        ),
        slices=slices,
        arrays={"ids": ids, "labels": labels, **found},
        notes=notes,
    )


def _stored(
    state: BaselineState | None, fingerprint: str, ids: NDArray[np.int64]
) -> Classes | None:
    """The baseline's own predictions, where they are of these samples."""
    if state is None or state.stored is None or state.folder is None:
        return None
    stored = state.stored
    if not stored.predictions or stored.data_fingerprint != fingerprint:
        return None
    path = state.folder / stored.predictions
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != (
        stored.predictions_sha256
    ):
        return None
    arrays = _read(path)
    if "ids" not in arrays or not np.array_equal(arrays["ids"], ids):
        return None
    found: Classes = arrays[BASELINE].astype(np.int64)
    return found


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"can't be read: {reason}", where=str(path), cure=_CURE) from error
    except (ValueError, EOFError, AttributeError, TypeError, KeyError) as error:
        what = "is no npz file without pickled objects"
        raise InputError(what, where=str(path), cure=_CURE) from error


def _classes_of(values: NDArray[np.generic], path: Path, name: str) -> Classes:
    if values.ndim == 2 and values.dtype.kind == "f" and values.shape[1] > 1:
        best: Classes = values.argmax(axis=1).astype(np.int64)
        return best
    if values.ndim == 1 and values.dtype.kind in "iu":
        return values.astype(np.int64)
    what = f"`{name}` is {values.dtype} of shape {values.shape}"
    raise InputError(what, where=str(path), cure="give a class index or scores per sample")
