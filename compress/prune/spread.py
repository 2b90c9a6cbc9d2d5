"""Arrays of labels that have the shape of a tensor but hold only what differs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from compress.prune.labels import NONE, Labels


def none_of(shape: Sequence[int]) -> Tensor:
    """No label anywhere."""
    return torch.full((1,) * len(shape), NONE).expand(tuple(shape))


def base_of(labels: Tensor) -> Tensor:
    """Size 1 along every axis on which nothing differs by construction."""
    for axis in range(labels.ndim):
        if labels.stride(axis) == 0 and labels.shape[axis] > 1:
            labels = labels.narrow(axis, 0, 1)
    return labels


def compact(labels: Tensor, known: Labels) -> Tensor:
    """Roots instead of labels, spread out along every axis on which they are equal."""
    shape = labels.shape
    if 0 in shape:
        return labels
    base = known.find(base_of(labels))
    for axis in range(base.ndim):
        if base.shape[axis] > 1:
            first = base.narrow(axis, 0, 1)
            if torch.equal(base, first.expand_as(base)):
                base = first
    return base.expand(shape)


def axes_of(labels: Tensor) -> tuple[int, ...]:
    """The axes along which labels differ; that some elements have none is no difference."""
    base = base_of(labels)
    return tuple(
        axis
        for axis in range(base.ndim)
        if base.shape[axis] > 1
        and bool(((base == base.amax(axis, keepdim=True)) | (base == NONE)).logical_not().any())
    )


def is_none(labels: Tensor) -> bool:
    """Whether there is no label at all."""
    return not bool(base_of(labels).any())


def folded(labels: Tensor, axis: int, known: Labels) -> Tensor:
    """(n,) labels along one axis, joined over all others."""
    base = base_of(labels)
    rows = base.movedim(axis, -1).reshape(-1, base.shape[axis])
    first = rows.amax(0)
    if len(rows) > 1:
        known.unite(first.expand_as(rows), rows)
        first = known.find(first)
    return first.expand(labels.shape[axis]) if len(first) == 1 else first


def joined_over(labels: Tensor, axes: Sequence[int], known: Labels) -> Tensor:
    """Size 1 along `axes`, whose labels become one for each place of the other axes."""
    base = base_of(labels)
    kept = [axis for axis in range(base.ndim) if axis not in axes]
    moved = base.permute(*kept, *axes)
    rows = moved.reshape(*(base.shape[axis] for axis in kept), -1)
    first = rows.amax(-1, keepdim=True)
    known.unite(first.expand_as(rows), rows)
    first = known.find(first)
    shape = [1 if axis in axes else base.shape[axis] for axis in range(base.ndim)]
    return first.reshape(shape)
