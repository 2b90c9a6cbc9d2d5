"""How well one model's embeddings keep the similarities of another's: rank correlation over pairs.

All pairs of n samples depend on each other through their samples, so the standard error comes from
leaving out groups of samples (Arvesen, 1969: the jackknife of U-statistics), never from the number
of pairs.
"""

from __future__ import annotations

from math import atanh, sqrt, tanh

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.values import Fidelity

GROUPS = 40  # of samples, each left out once
FEWEST = 3 * GROUPS
MOST = 2_000  # test samples whose pairs are compared
MOST_VALIDATED = 1_000  # validation samples whose pairs judge an epoch
NEIGHBOURS = 10
_T_95 = 1.685  # one-sided 95 % of Student's t with GROUPS - 1 degrees of freedom
_NEARLY_ONE = 1.0 - 1e-12  # atanh stays finite


def fidelity(
    reference_name: str,
    candidate_name: str,
    reference: NDArray[np.floating],
    candidate: NDArray[np.floating],
) -> Fidelity:
    """Spearman's correlation of the cosines of all pairs, with one-sided 95 % bounds.

    reference, candidate: (n, width) embeddings of the same samples in the same order, widths free.
    low, high: Fisher's z of a delete-a-group jackknife over samples. InputError for fewer than 120
    samples, and for embeddings that are zero, not finite, or all alike.
    """
    if len(reference) != len(candidate):
        raise InputError(
            f"{len(candidate)} embeddings for {len(reference)} samples", where=candidate_name
        )
    if len(reference) < FEWEST:
        raise InputError(
            f"{len(reference)} samples are too few to compare embeddings",
            where="task.test",
            cure=f"hold out {FEWEST} or more",
        )
    before = cosines(reference_name, reference)
    after = cosines(candidate_name, candidate)
    rows, columns = np.triu_indices(len(reference), k=1)
    first, second = _Sorted(before[rows, columns]), _Sorted(after[rows, columns])
    value = _correlation(first.ranks(), second.ranks())
    # At random: samples of a class or a document often lie together.
    group = np.random.default_rng(0).permutation(len(reference)) % GROUPS
    left_out = [
        _correlation(first.ranks(kept), second.ranks(kept))
        for kept in ((group[rows] != one) & (group[columns] != one) for one in range(GROUPS))
    ]
    low, high = _bounds(value, np.array(left_out))
    return Fidelity(
        reference=reference_name,
        candidate=candidate_name,
        samples=len(reference),
        pairs=len(rows),
        spearman=value,
        spearman_low_bound=low,
        spearman_high_bound=high,
        neighbours_kept=_neighbours_kept(before, after),
    )


def spread_rows(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of 0 .. count - 1, evenly spread: pairs grow with the square of samples."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def spearman(reference: NDArray[np.floating], candidate: NDArray[np.floating]) -> float:
    """As in fidelity, without bounds. Raises InputError for embeddings that say nothing."""
    rows, columns = np.triu_indices(len(reference), k=1)
    before = cosines("the reference", reference)[rows, columns]
    after = cosines("the candidate", candidate)[rows, columns]
    return _correlation(_Sorted(before).ranks(), _Sorted(after).ranks())


def cosines(name: str, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, width) -> (n, n). InputError for rows that are zero or not finite."""
    wide = embeddings.astype(np.float64)
    if not np.isfinite(wide).all():
        raise InputError("an embedding is not finite", where=name)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    if not (lengths > 0).all():
        count = int((lengths <= 0).sum())
        raise InputError(f"{count} embeddings are zero and have no direction", where=name)
    directions = (wide / lengths).astype(np.float32)
    found: NDArray[np.float32] = directions @ directions.T
    return found


class _Sorted:
    """Values in order, once, so that the ranks of any part of them cost no further sort."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.order = np.argsort(values, kind="stable")
        self.values = values[self.order]

    def ranks(self, kept: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Mid-ranks of all values, or of those kept, in their first order."""
        order, values = self.order, self.values
        if kept is not None:
            chosen = kept[order]
            order, values = order[chosen], values[chosen]
        new = np.empty(len(values), dtype=np.bool_)
        new[:1] = True
        np.not_equal(values[1:], values[:-1], out=new[1:])
        starts = np.flatnonzero(new)
        ends = np.append(starts[1:], len(values))
        tied = np.repeat((starts + ends - 1) / 2.0, ends - starts)
        if kept is None:
            ranks = np.empty(len(values), dtype=np.float64)
            ranks[order] = tied
            return ranks
        everywhere = np.empty(len(kept), dtype=np.float64)
        everywhere[order] = tied
        return everywhere[kept]


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    own, other = first - first.mean(), second - second.mean()
    spread = sqrt(float(own @ own) * float(other @ other))
    if spread == 0.0:
        raise InputError(
            "all pairs of samples are equally similar",
            where="embeddings",
            cure="the model gives every sample the same direction: look at its training",
        )
    return float(own @ other) / spread


def _bounds(value: float, left_out: NDArray[np.float64]) -> tuple[float, float]:
    """On Fisher's scale, where the error hardly depends on the value."""
    scale = np.arctanh(np.clip(left_out, -_NEARLY_ONE, _NEARLY_ONE))
    count = len(scale)
    error = sqrt((count - 1) / count * float(np.square(scale - scale.mean()).sum()))
    centre = atanh(min(max(value, -_NEARLY_ONE), _NEARLY_ONE))
    return min(value, tanh(centre - _T_95 * error)), max(value, tanh(centre + _T_95 * error))


def _neighbours_kept(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Part of the 10 nearest samples of each sample that are the same ten, in [0, 1]."""
    same = 0
    for row, (first, second) in enumerate(zip(before, after, strict=True)):
        first[row] = second[row] = -np.inf
        nearest = np.argpartition(-first, NEIGHBOURS)[:NEIGHBOURS]
        same += len(np.intersect1d(nearest, np.argpartition(-second, NEIGHBOURS)[:NEIGHBOURS]))
    return same / (len(before) * NEIGHBOURS)
