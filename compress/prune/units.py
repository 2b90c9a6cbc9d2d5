"""The units that can be removed: each a set of channels, gathered in groups of one width."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.prune.spread import axes_of, base_of
from compress.prune.values import Traced, WrittenSize

_NO_FLOAT = "a parameter that has several axes of channels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One width of the network. roots: a label per unit; size: channels of each in `layer`."""

    layer: str  # the first weight whose outputs these are
    roots: NDArray[np.int64]
    size: int
    channels: int  # of the layer, those that can't go included


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """groups: in the order of the network. places: tensor -> axis -> root of each index."""

    groups: tuple[Group, ...]
    places: dict[str, dict[int, NDArray[np.int64]]]
    blocked: dict[str, tuple[str, ...]]  # layers whose outputs all stay, by the reason


def units_of(found: Traced, *, keep: Sequence[str] = ()) -> Units:
    """Gather what a trace found. keep: patterns of modules whose outputs all stay."""
    known = found.known
    places = _places(found)
    for name, axis in found.widths:
        if any(fnmatchcase(name.rpartition(".")[0], pattern) for pattern in keep):
            known.freeze(found.axes[name][axis], "the recipe keeps it")
    frozen = known.frozen()
    roots = {
        name: {axis: known.find(labels).numpy() for axis, labels in axes.items()}
        for name, axes in places.items()
    }
    touched: defaultdict[int, set[tuple[str, int]]] = defaultdict(set)
    for name, axes in roots.items():
        for axis, along in axes.items():
            for root in np.unique(along).tolist():
                touched[root].add((name, axis))
    groups: list[Group] = []
    seen: set[int] = set()
    blocked: defaultdict[str, list[str]] = defaultdict(list)
    for name, axis in found.widths:
        along = roots[name][axis]
        counts = Counter(along.tolist())
        free = [root for root in counts if root not in frozen and root not in seen]
        if not free and all(root in frozen for root in counts):
            blocked[frozen[next(iter(counts))]].append(name.rpartition(".")[0])
        by_kind: defaultdict[tuple[frozenset[tuple[str, int]], int], list[int]] = defaultdict(list)
        for root in free:
            by_kind[frozenset(touched[root]), counts[root]].append(root)
        seen.update(free)
        groups += [
            Group(layer=name, roots=np.array(members), size=size, channels=len(along))
            for (_, size), members in by_kind.items()
        ]
    return Units(
        groups=tuple(groups),
        places=roots,
        blocked={reason: tuple(names) for reason, names in blocked.items()},
    )


def _places(found: Traced) -> dict[str, dict[int, Tensor]]:
    """Axes of every tensor with labels; of one that was followed by element, the axis it has."""
    known = found.known
    places = {name: dict(axes) for name, axes in found.axes.items()}
    for name, elements in found.elements.items():
        base = base_of(_compacted(found, elements))
        differing = axes_of(base)
        if name in places or len(differing) > 1:
            known.freeze(elements, f"{_NO_FLOAT}: {name}")
            for labels in places.get(name, {}).values():
                known.freeze(labels, f"{_NO_FLOAT}: {name}")
        elif differing:
            places[name] = {differing[0]: base.flatten()}
    return places


def _compacted(found: Traced, elements: Tensor) -> Tensor:
    from compress.prune.spread import compact

    return compact(elements, found.known)


def kept_counts(found: Traced, removed: NDArray[np.bool_]) -> float:
    """Multiply-accumulates of one sample. removed: whether each label's root goes."""
    total = 0.0
    for cost in found.costs:
        macs = cost.factor
        for labels in cost.axes:
            roots = found.known.find(labels).numpy()
            macs *= len(roots) - int(removed[roots].sum())
        total += macs
    return total


def shape_left(written: WrittenSize, found: Traced, removed: NDArray[np.bool_]) -> tuple[int, ...]:
    """The shape of a tensor without what goes. removed: whether each label's root goes."""
    stays = ~removed[found.known.find(written.labels).numpy()]
    left: list[int] = []
    for axis, size in enumerate(written.shape):
        others = tuple(other for other in range(stays.ndim) if other != axis)
        along = stays.any(axis=others)
        left.append(size if len(along) == 1 else int(along.sum()))
    return tuple(left)


def torch_mask(kept: NDArray[np.bool_]) -> Tensor:
    """The kept indices of an axis."""
    return torch.from_numpy(np.flatnonzero(kept))
