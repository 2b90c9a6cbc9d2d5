"""Mixup (Zhang et al., 2018) whose pairs are a function of (seed, view, sample id) alone.

So a mixed image can be made again in any order, batch or process, and a stored teacher output
belongs to the very image that the student sees. Each sample has a partner and a share of its own;
FunMatch (Beyer et al., 2022) draws one share per batch, which no store could replay.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.tasks.counter import uniform
from compress.tasks.data import Samples, Task
from compress.tasks.views import Inputs, view_inputs

MIXUP_VIEW = 2**32  # apart from augmented views, orders, and the draw of calibration samples
TABLE_POINTS = 4097


def mixup_pairs(
    sample_ids: NDArray[np.int64],
    *,
    seed: int,
    view: int,
    alpha: float,
    pool: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(partner ids, shares) of some samples: (n,) and (n,).

    Partners are drawn from `pool`, the ids of the whole split in its order (default: sample_ids).
    A sample keeps the share lambda = max(l, 1 - l), l ~ Beta(alpha, alpha), so in [0.5, 1].
    """
    drawn_from = sample_ids if pool is None else pool
    rows, shares = mixup_rows(
        sample_ids, seed=seed, view=view, alpha=alpha, pool_size=len(drawn_from)
    )
    return drawn_from[rows], shares


def mixup_rows(
    sample_ids: NDArray[np.int64], *, seed: int, view: int, alpha: float, pool_size: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """As mixup_pairs, with partners as positions in the split. ValueError unless alpha > 0."""
    if not alpha > 0:
        raise ValueError(f"alpha must be above 0, not {alpha}")
    draw = uniform(seed, MIXUP_VIEW + view, sample_ids, draws=2)
    rows = (draw[:, 0] * pool_size).astype(np.int64)
    return rows, 1.0 - _smaller_share(draw[:, 1], alpha)


def mixed_view(
    task: Task,
    samples: Samples,
    rows: NDArray[np.int64],
    *,
    seed: int,
    view: int,
    alpha: float | None,
    pool: NDArray[np.int64] | None = None,
) -> Inputs:
    """One augmented view of some rows, mixed with the same view of their partners.

    (rows, ...) float32, ready for a network. With alpha None nothing is mixed. pool: the rows that
    partners are drawn from, by default all.
    """
    inputs = view_inputs(task, samples, rows, seed=seed, view=view)
    if alpha is None:
        return inputs
    partners, shares = _partners(samples, rows, seed=seed, view=view, alpha=alpha, pool=pool)
    others = view_inputs(task, samples, partners, seed=seed, view=view)
    weight = torch.from_numpy(1.0 - shares).float()
    return tuple(
        torch.lerp(plain, other, weight.view(-1, *[1] * (plain.ndim - 1)))
        for plain, other in zip(inputs, others, strict=True)
    )


def _partners(
    samples: Samples,
    rows: NDArray[np.int64],
    *,
    seed: int,
    view: int,
    alpha: float,
    pool: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    size = len(samples) if pool is None else len(pool)
    found, shares = mixup_rows(samples.ids[rows], seed=seed, view=view, alpha=alpha, pool_size=size)
    return (found if pool is None else pool[found]), shares


def mixed_labels(
    samples: Samples,
    rows: NDArray[np.int64],
    *,
    classes: int,
    seed: int,
    view: int,
    alpha: float,
    pool: NDArray[np.int64] | None = None,
) -> Tensor:
    """Probabilities that belong to mixed_view: (rows, classes) float32, each row summing to one.

    A label of -100, which is no label, adds nothing, so that its row sums to less.
    """
    partners, shares = _partners(samples, rows, seed=seed, view=view, alpha=alpha, pool=pool)
    target = torch.zeros(len(rows), classes)
    for labels, weights in (
        (samples.labels[rows], shares),
        (samples.labels[partners], 1.0 - shares),
    ):
        known = labels >= 0
        weight = torch.from_numpy(np.where(known, weights, 0.0)).float()
        columns = torch.from_numpy(np.where(known, labels, 0))
        target[torch.arange(len(rows)), columns] += weight
    return target


def _smaller_share(uniforms: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """min(l, 1 - l) of l ~ Beta(alpha, alpha), by its inverse distribution function."""
    if alpha == 1.0:
        return uniforms / 2.0
    levels, powers = _table(alpha)
    smaller: NDArray[np.float64] = np.interp(uniforms, levels, powers) ** (1.0 / alpha)
    return smaller


@lru_cache(maxsize=8)
def _table(alpha: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distribution function over [0, 1/2] at points t = l^alpha, where its density is smooth.

    With t = s^alpha the integral of s^(alpha-1) (1-s)^(alpha-1) ds is that of
    (1 - t^(1/alpha))^(alpha-1) dt / alpha, finite at 0 for every alpha.
    """
    points = np.linspace(0.0, 0.5**alpha, TABLE_POINTS)
    density = (1.0 - points ** (1.0 / alpha)) ** (alpha - 1.0)
    summed = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])
    return summed / summed[-1], points
