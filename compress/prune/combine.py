"""What element-wise operations, sums and products say about labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compress.prune.labels import NONE, Labels
from compress.prune.spread import axes_of, base_of, compact, folded, is_none, joined_over, none_of


@dataclass(frozen=True, slots=True)
class _Operand:
    labels: Tensor  # with as many axes as the result
    wide: frozenset[int]  # axes along which its one value is used for all


def elementwise(known: Labels, shape: Sequence[int], operands: Iterable[Tensor]) -> Tensor:
    """Elements that meet in one place belong together; broadcasting ties nothing."""
    found: _Operand | None = None
    for labels in operands:
        if is_none(labels):
            continue
        aligned = labels[(None,) * (len(shape) - labels.ndim)]
        wide = frozenset(
            axis for axis, size in enumerate(shape) if aligned.shape[axis] == 1 and size > 1
        )
        operand = _Operand(compact(aligned, known), wide)
        found = operand if found is None else _met(known, found, operand)
    return none_of(shape) if found is None else compact(found.labels.expand(tuple(shape)), known)


def _met(known: Labels, one: _Operand, other: _Operand) -> _Operand:
    hidden_one = set(axes_of(other.labels)) & one.wide
    hidden_other = set(axes_of(one.labels)) & other.wide
    if hidden_one and hidden_other:  # an outer product: two kinds of channels in one tensor
        known.freeze(one.labels, "an outer product of channels")
        known.freeze(other.labels, "an outer product of channels")
        return one
    if hidden_other:
        return _scaled(known, one, other, hidden_other)
    if hidden_one:
        return _scaled(known, other, one, hidden_one)
    left, right = _together(base_of(one.labels), base_of(other.labels))
    known.unite(left, right)
    wide = one.wide & other.wide
    merged = torch.where(left == NONE, right, left)
    sizes = [max(a, b) for a, b in zip(one.labels.shape, other.labels.shape, strict=True)]
    return _Operand(compact(merged.expand(sizes), known), wide)


def _scaled(known: Labels, one: _Operand, other: _Operand, hidden: set[int]) -> _Operand:
    """`other` is the same along axes on which `one` differs.

    Where `one` has parts of one width there, as attention heads are, whole parts go together;
    elsewhere, as with a norm over tokens that come from different layers, the weight ties them.
    """
    shared = set(axes_of(one.labels)) & set(axes_of(other.labels))
    if not shared:
        return one  # a weight per place, or a mask
    if not _parts_of_one_width(known, one.labels, hidden):
        left, right = _together(base_of(one.labels), base_of(other.labels))
        known.unite(left, right)
    elif max(shared) < min(hidden):
        joined = joined_over(one.labels, sorted(hidden), known)
        left, right = _together(joined, base_of(other.labels))
        known.unite(left, right)
    else:
        joined_over(one.labels, sorted(shared), known)
        known.freeze(other.labels, "a weight that all groups share")
    return _Operand(compact(one.labels, known), one.wide)


def _parts_of_one_width(known: Labels, labels: Tensor, axes: set[int]) -> bool:
    """Whether labels that differ along the axes come from the outputs of the same layer."""
    sources = known.source(base_of(labels))
    largest = sources.amax(sorted(axes), keepdim=True)
    return bool(((sources == largest) | (sources == 0)).all())


def reduced(
    known: Labels, labels: Tensor, axes: Sequence[int], shape: Sequence[int], *, keepdim: bool
) -> Tensor:
    """A sum, mean or maximum over axes. shape: of the result."""
    varying = set(axes_of(labels))
    inside, outside = varying & set(axes), varying - set(axes)
    if inside and not outside:
        return none_of(shape)
    if inside:
        joined_over(labels, sorted(inside), known)
    base = compact(labels, known)
    base = base_of(base)
    if axes:
        base = base.amax(tuple(axes), keepdim=keepdim)
    return compact(base.expand(tuple(shape)), known)


def multiplied(known: Labels, left: Tensor, right: Tensor, shape: Sequence[int]) -> Tensor:
    """left (..., m, k) times right (..., k, n): of what goes along the leading axes (attention
    heads), all that belongs to one place goes together."""
    batch = tuple(range(len(shape) - 2))
    left = left[(None,) * (len(shape) - left.ndim)]
    right = right[(None,) * (len(shape) - right.ndim)]
    heads = by_place(known, (left, right), batch)
    if heads is not None:
        return compact(heads.expand(tuple(shape)), known)
    if not is_none(left) and not is_none(right):
        known.unite(folded(left, -1, known), folded(right, -2, known))
    rows, columns = folded(left, -2, known), folded(right, -1, known)
    if left.ndim - 2 not in axes_of(left):
        return compact(columns.expand(tuple(shape)), known)
    if right.ndim - 1 not in axes_of(right):
        return compact(rows[:, None].expand(tuple(shape)), known)
    known.freeze(rows, "a product of two kinds of channels")
    known.freeze(columns, "a product of two kinds of channels")
    return compact(columns.expand(tuple(shape)), known)


def by_place(known: Labels, operands: Sequence[Tensor], batch: Sequence[int]) -> Tensor | None:
    """One label for each place along the batch axes, (..., 1, 1); None where nothing differs."""
    places: Tensor | None = None
    differing = [bool(set(axes_of(labels)) & set(batch)) for labels in operands]
    if not any(differing):
        return None
    for labels, differs in zip(operands, differing, strict=True):
        if not differs:
            known.freeze(labels, "channels that all attention heads share")
            continue
        joined = joined_over(labels, (labels.ndim - 2, labels.ndim - 1), known)
        if places is None:
            places = joined
            continue
        if any(a != b and 1 not in (a, b) for a, b in zip(places.shape, joined.shape, strict=True)):
            known.freeze(places, "groups of attention heads")
            known.freeze(joined, "groups of attention heads")
            continue
        one, other = _together(places, joined)
        known.unite(one, other)
        places = known.find(torch.where(one == NONE, other, one))
    return places


def _together(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    shape = [max(a, b) for a, b in zip(one.shape, other.shape, strict=True)]
    return one.expand(shape), other.expand(shape)
