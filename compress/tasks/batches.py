"""Which rows share a batch: any of numbers, those of like length of texts and streams."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from compress.tasks.counter import uniform
from compress.tasks.data import Samples, Task
from compress.tasks.labelled import labelled_rows

ORDER_VIEW = 10**6  # views from here on number the epochs' orders, never samples
_BUCKET_STREAM = 2**31 + 2  # numbers the order of an epoch's batches, apart from split and views
_POOL = 50  # batches whose samples are sorted by length together


def row_batches(task: Task, samples: Samples, size: int) -> Iterator[NDArray[np.int64]]:
    """All rows once, in batches of `size`, the last smaller; of texts and streams from short
    to long."""
    order = np.arange(len(samples))
    lengths = task.lengths(samples.inputs)
    if lengths is not None:
        order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]


def epoch_order(count: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of 0..count-1."""
    keys = uniform(seed, ORDER_VIEW + epoch, np.arange(count), draws=1)[:, 0]
    return np.argsort(keys, kind="stable")


def epoch_rows(
    task: Task, size: int, *, seed: int, epoch: int, labelled_only: bool = False
) -> NDArray[np.int64]:
    """The training rows of an epoch, to be cut into batches of `size`.

    Of texts and streams, rows are shuffled, sorted by length within pools of 50 batches, and whole
    batches shuffled again: a batch pads little, and holds other samples in each epoch.
    labelled_only: as many rows, of samples with a label alone, each as often as any other or once
    more.
    """
    order = epoch_order(len(task.train), seed=seed, epoch=epoch)
    rows = labelled_rows(task.train) if labelled_only else None
    if rows is not None and len(rows) < len(order):
        # The order of all samples, read modulo their number, is an order of the labelled ones.
        order = rows[order % len(rows)]
    counts = task.lengths(task.train.inputs)
    if counts is None:
        return order
    whole = len(order) // size * size
    pools = [order[at : at + _POOL * size] for at in range(0, whole, _POOL * size)]
    sorted_pools = [pool[np.argsort(counts[pool], kind="stable")] for pool in pools]
    batches = np.concatenate(sorted_pools)[:whole].reshape(-1, size) if whole else order[None]
    keys = uniform(seed, _BUCKET_STREAM, np.arange(len(batches)) + epoch * 2**20, draws=1)[:, 0]
    return batches[np.argsort(keys, kind="stable")].reshape(-1)
