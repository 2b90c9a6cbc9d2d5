"""Scores and class predictions of an ONNX file on samples of the task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.tasks.batches import row_batches
from compress.tasks.data import Samples, Task
from exporters.run import run_batches
from exporters.session import open_session

BATCH = 250


def scores(path: Path, task: Task, samples: Samples, *, threads: int) -> NDArray[np.float32]:
    """What the file answers: (n, classes). Samples are scaled batch by batch, not all at once."""
    session = open_session(path, threads=threads)
    found = np.empty((len(samples), len(task.classes)), dtype=np.float32)
    for rows in row_batches(task, samples, BATCH):
        answered = run_batches(session, samples.inputs[rows], batch=BATCH, collate=task.collate)
        found[rows] = answered.reshape(-1, len(task.classes))
    return found


def predict(path: Path, task: Task, samples: Samples, *, threads: int) -> NDArray[np.int64]:
    """The class of each sample: (n,) int64."""
    found = scores(path, task, samples, threads=threads)
    predicted: NDArray[np.int64] = found.argmax(axis=1).astype(np.int64)
    return predicted


def accuracy(path: Path, task: Task, samples: Samples, *, threads: int) -> float:
    """The part of samples whose class is right, in [0, 1]."""
    return float((predict(path, task, samples, threads=threads) == samples.labels).mean())
