"""How well one model's embeddings keep the similarities of another's: rank correlation over pairs.

All pairs of n samples depend on each other through their samples, so the standard error comes from
leaving out blocks of samples (Arvesen, 1969: the jackknife of U-statistics), never from the number
of pairs. Samples of one recording or document lie in one block.
"""

from __future__ import annotations

from math import atanh, sqrt, tanh

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.values import Fidelity

BLOCKS = 40  # of samples, each left out once
FEWEST = 3 * BLOCKS
FEWEST_GROUPS = 5  # the spread of fewer is a matter of luck
MOST = 2_000  # test samples whose pairs are compared
MOST_VALIDATED = 1_000  # validation samples whose pairs judge an epoch
NEIGHBOURS = 10
T_95 = (  # one-sided 95 % of Student's t with FEWEST_GROUPS - 1 to BLOCKS - 1 degrees of freedom
    2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771,
    1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706,
    1.703, 1.701, 1.699, 1.697, 1.696, 1.694, 1.692, 1.691, 1.690, 1.688, 1.687, 1.686, 1.685,
)  # fmt: skip
_NEARLY_ONE = 1.0 - 1e-12  # atanh stays finite


def fidelity(
    reference_name: str,
    candidate_name: str,
    reference: NDArray[np.floating],
    candidate: NDArray[np.floating],
    *,
    groups: NDArray[np.integer] | None = None,
) -> Fidelity:
    """Spearman's correlation of the cosines of all pairs, with one-sided 95 % bounds.

    reference, candidate: (n, width) embeddings of the same samples in the same order, widths free;
    groups: (n,) an id per sample, None: each is its own. low, high: Fisher's z of a jackknife over
    40 blocks of samples, or as many as there are groups; -1 and 1 for fewer than five groups, and
    where one is nearly all. InputError for fewer than 120 samples, and for embeddings that are
    zero, not finite, or all alike.
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
    count, block = _blocks(len(reference), groups)
    sizes = np.bincount(block)
    low, high = -1.0, 1.0
    if len(sizes) >= FEWEST_GROUPS and len(reference) - sizes.max() > NEIGHBOURS:
        left_out = [
            _correlation(first.ranks(kept), second.ranks(kept))
            for kept in ((block[rows] != i) & (block[columns] != i) for i in range(len(sizes)))
        ]
        low, high = _bounds(value, np.array(left_out), sizes)
    return Fidelity(
        reference=reference_name,
        candidate=candidate_name,
        samples=len(reference),
        pairs=len(rows),
        spearman=value,
        spearman_low_bound=low,
        spearman_high_bound=high,
        neighbours_kept=_neighbours_kept(before, after),
        groups=None if groups is None else count,
    )


def _blocks(samples: int, groups: NDArray[np.integer] | None) -> tuple[int, NDArray[np.int64]]:
    """How many groups, and the block of each sample, (n,): whole groups, drawn at random, for what
    is alike often lies together."""
    ids = np.arange(samples)
    if groups is not None:
        ids = np.unique(groups, return_inverse=True)[1].reshape(-1)
    count = int(ids.max()) + 1
    drawn = np.random.default_rng(0).permutation(count) % BLOCKS
    return count, drawn[ids]


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


def _bounds(
    value: float, left_out: NDArray[np.float64], sizes: NDArray[np.int64]
) -> tuple[float, float]:
    """On Fisher's scale, where the error hardly depends on the value.

    The jackknife for blocks of unequal sizes (Busing, Meijer and van der Leeden, 1999); with equal
    ones it is (g - 1) / g times the sum of squares about the mean.
    """
    scale = np.arctanh(np.clip(left_out, -_NEARLY_ONE, _NEARLY_ONE))
    centre = atanh(min(max(value, -_NEARLY_ONE), _NEARLY_ONE))
    share = sizes / sizes.sum()
    middle = len(sizes) * centre - float(((1 - share) * scale).sum())
    pseudo = centre / share - (1 / share - 1) * scale
    error = sqrt(float((np.square(pseudo - middle) / (1 / share - 1)).mean()))
    reach = T_95[len(sizes) - FEWEST_GROUPS] * error
    return min(value, tanh(centre - reach)), max(value, tanh(centre + reach))


def _neighbours_kept(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Part of the 10 nearest samples of each sample that are the same ten, in [0, 1]."""
    same = 0
    for row, (first, second) in enumerate(zip(before, after, strict=True)):
        first[row] = second[row] = -np.inf
        nearest = np.argpartition(-first, NEIGHBOURS)[:NEIGHBOURS]
        same += len(np.intersect1d(nearest, np.argpartition(-second, NEIGHBOURS)[:NEIGHBOURS]))
    return same / (len(before) * NEIGHBOURS)
