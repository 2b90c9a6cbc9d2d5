"""Scores and class predictions of an ONNX file on samples of the task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.metrics.fidelity import spearman, spread_rows
from compress.tasks.batches import row_batches
from compress.tasks.data import Samples, Task
from exporters.preprocess import takes_raw_samples
from exporters.run import run_batches
from exporters.session import open_session

BATCH = 250


def scores(
    path: Path, task: Task, samples: Samples, *, threads: int, batch: int = BATCH
) -> NDArray[np.float32]:
    """What the file answers: (n, width). Samples are scaled batch by batch, not all at once."""
    session = open_session(path, threads=threads)
    collate = None if takes_raw_samples(session) else task.collate
    found = np.empty((len(samples), task.width or 0), dtype=np.float32)
    for rows in row_batches(task, samples, batch):
        answered = run_batches(session, samples.inputs[rows], batch=batch, collate=collate)
        if found.shape[1] == 0:
            found = np.empty((len(samples), answered.shape[-1]), dtype=np.float32)
        found[rows] = answered.reshape(-1, found.shape[1])
    return found


def predict(
    path: Path, task: Task, samples: Samples, *, threads: int, batch: int = BATCH
) -> NDArray[np.int64]:
    """The class of each sample: (n,) int64."""
    found = scores(path, task, samples, threads=threads, batch=batch)
    predicted: NDArray[np.int64] = found.argmax(axis=1).astype(np.int64)
    return predicted


def validation_score(
    path: Path, task: Task, *, threads: int, embeddings: Path | None = None, batch: int = BATCH
) -> float:
    """Accuracy on validation, or, with the teacher's embeddings of it, Spearman's correlation."""
    if embeddings is None:
        return accuracy(path, task, task.validation, threads=threads, batch=batch)
    reference = np.load(embeddings, allow_pickle=False)
    samples = some(task.validation, spread_rows(len(task.validation), len(reference)))
    return spearman(reference, scores(path, task, samples, threads=threads, batch=batch))


def some(samples: Samples, rows: NDArray[np.int64]) -> Samples:
    """These samples alone."""
    return replace(
        samples,
        ids=samples.ids[rows],
        inputs=samples.inputs[rows],
        labels=samples.labels[rows],
        columns={},
        groups=None if samples.groups is None else samples.groups[rows],
    )


def accuracy(
    path: Path, task: Task, samples: Samples, *, threads: int, batch: int = BATCH
) -> float:
    """The part of samples whose class is right, in [0, 1]."""
    predicted = predict(path, task, samples, threads=threads, batch=batch)
    return float((predicted == samples.labels).mean())
