"""Which samples are held out: a split depends on the seed and on the samples, nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.tasks.counter import uniform

# Views that number images are small; these streams lie beyond them (and the epochs' orders).
VALIDATION_STREAM = 2**31
TEST_STREAM = 2**31 + 1
PART_STREAM = 2**31 + 3


def validation_indices(
    contents: NDArray[np.uint64], count: int, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(train, validation) positions in 0..n-1, both sorted, equal contents on one side.

    contents: (n,) digests of samples. Where a sample is drawn depends on its position; its copies
    come with it, so that more than count may be held out. InputError unless 1 <= count < n and
    something is left to train on.
    """
    n = len(contents)
    if not 1 <= count < n:
        raise InputError(
            f"{count} validation samples can't be taken from {n} training samples",
            where="task.validation",
            cure=f"set it between 1 and {n - 1}" if n > 1 else "give at least 2 training samples",
        )
    keys = uniform(seed, VALIDATION_STREAM, np.arange(n), draws=1)[:, 0]
    drawn = np.argsort(keys, kind="stable")[:count]
    held = np.isin(contents, contents[drawn])
    if held.all():
        raise InputError(
            f"the {n} training samples are copies of the {count} that validation holds out",
            where="task.validation",
            cure="give training samples that differ",
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


def held_out(
    contents: NDArray[np.uint64], count: int, *, seed: int, stream: int
) -> NDArray[np.bool_]:
    """Which samples are held out, by content: about count of them, equal contents together.

    contents: (n,) the first 64 bits of each sample's digest. Adding or removing a sample moves few
    others. At least count are taken (copies may add some); at most all.
    """
    keys = uniform(seed, stream, contents.view(np.int64), draws=1)[:, 0]
    if count < 1:
        return np.zeros(len(contents), dtype=np.bool_)
    last = np.sort(keys, kind="stable")[min(count, len(keys)) - 1]
    held: NDArray[np.bool_] = keys <= last
    return held


def default_validation(n: int) -> int:
    """10 %, at least one."""
    return max(1, round(n / 10))
