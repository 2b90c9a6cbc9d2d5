"""The k largest logits of a sample and the log-sum of all others: a short form, and back.

Short form and back keep the probability at temperature 1 of each of the k classes and of the tail
as a whole; within the tail it is spread evenly, as TinyViT does (Wu et al., 2022). At temperatures
above 1 the tail is too heavy or too light by what it was uneven.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TINY = -1e4  # the logit of a class in a tail without mass


def shorten(
    logits: NDArray[np.floating], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """(indices, values, tail) of (n, classes) logits: (n, k), largest first, (n, k) and (n,).

    tail is log(sum(exp(.))) over the classes left out. ValueError unless 1 <= k < classes.
    """
    count, classes = logits.shape
    if not 1 <= k < classes:
        raise ValueError(f"k must be in 1 .. {classes - 1}, not {k}")
    wide = logits.astype(np.float64)
    split = np.argpartition(-wide, k - 1, axis=1)
    top, rest = split[:, :k], split[:, k:]
    rows = np.arange(count)[:, None]
    # Of equal logits the lower class comes first, whatever argpartition does.
    order = np.lexsort((top, -wide[rows, top]), axis=1)
    top = top[rows, order]
    values = wide[rows, top]
    left = wide[rows, rest]
    peak = left.max(axis=1)
    tail = peak + np.log(np.exp(left - peak[:, None]).sum(axis=1))
    return top.astype(np.int64), values.astype(np.float32), tail.astype(np.float32)


def lengthen(
    indices: NDArray[np.integer],
    values: NDArray[np.floating],
    tail: NDArray[np.floating],
    *,
    classes: int,
) -> NDArray[np.float32]:
    """(n, classes) logits of the short form, its tail spread evenly."""
    count, k = indices.shape
    each = np.maximum(tail.astype(np.float32) - np.float32(np.log(max(1, classes - k))), _TINY)
    logits = np.repeat(each[:, None], classes, axis=1)
    logits[np.arange(count)[:, None], indices] = values
    return logits
