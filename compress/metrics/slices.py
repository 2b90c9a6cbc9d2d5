"""Parts of a test split by class, column or bins of a number, and how a pair fares there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from compress.metrics.bootstrap import group_spread
from compress.values import Slice

_BINS = 4  # quarters: few enough that each can prove something
_VALUES = 50  # of a column; rarer ones are one slice together
_SHOWN_IDS = 20
RESERVED = frozenset({"all", "brightness", "class", "confidence", "corruption", "length"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Which samples are in a slice: rows (n,) bool."""

    kind: str
    name: str
    rows: NDArray[np.bool_]


def class_members(labels: NDArray[np.integer], names: Sequence[str]) -> Iterator[Members]:
    """A slice per class that has samples."""
    for index, name in enumerate(names):
        rows = labels == index
        if rows.any():
            yield Members(kind="class", name=name, rows=rows)


def column_members(name: str, values: NDArray[np.generic]) -> Iterator[Members]:
    """A slice per value of a column, (n,); quarters where it holds more than 12 numbers."""
    numbers = values.dtype.kind in "iuf"
    if numbers and len(np.unique(values)) > 12:
        yield from binned_members(name, values.astype(np.float64))
        return
    texts = values.astype(np.str_)
    found, counts = np.unique(texts, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    for index in order[:_VALUES]:
        yield Members(kind=name, name=str(found[index]), rows=texts == found[index])
    if len(order) > _VALUES:
        rest = np.isin(texts, found[order[_VALUES:]])
        yield Members(kind=name, name=f"{len(order) - _VALUES} rarer values", rows=rest)


def binned_members(kind: str, values: NDArray[np.float64], *, unit: str = "") -> Iterator[Members]:
    """Quarters by value, fewer where values are equal: where most are, that value and all others.
    NaN is a slice of its own. unit: behind the numbers of their names."""
    known = ~np.isnan(values)
    if not known.all():
        yield Members(kind=kind, name="unknown", rows=~known)
    if not known.any():
        return
    edges = np.unique(np.quantile(values[known], np.linspace(0.0, 1.0, _BINS + 1)))
    if len(edges) < 3:
        common = known & (values == np.median(values[known]))
        for rows in (common, known & ~common):
            if rows.any():
                low, high = values[rows].min(), values[rows].max()
                yield Members(kind=kind, name=_range(low, high, unit), rows=rows)
        return
    for place, (low, high) in enumerate(pairwise(edges)):
        last = place == len(edges) - 2
        rows = known & (values >= low) & ((values <= high) if last else (values < high))
        if rows.any():
            yield Members(kind=kind, name=_range(low, high, unit), rows=rows)


def measured_slice(
    members: Members,
    reference: NDArray[np.integer],
    candidate: NDArray[np.integer],
    labels: NDArray[np.integer],
    ids: NDArray[np.int64],
    *,
    groups: NDArray[np.int64] | None = None,
    against: str = "teacher",
) -> Slice:
    """Counts of a pair on the samples of a slice; arrays are (n,) of the whole split. against: the
    reference's name."""
    rows = members.rows
    before, after = (reference == labels)[rows], (candidate == labels)[rows]
    lost = before & ~after
    count, spread = None, None
    if groups is not None:
        change = after.astype(np.float64) - before.astype(np.float64)
        count, spread = group_spread(change, groups[rows])
        if not np.isfinite(spread):
            spread = 1.0  # one group alone proves nothing: as wide as the scale
    return Slice(
        kind=members.kind,
        name=members.name,
        samples=int(np.count_nonzero(rows)),
        reference_right=int(np.count_nonzero(before)),
        candidate_right=int(np.count_nonzero(after)),
        lost=int(np.count_nonzero(lost)),
        gained=int(np.count_nonzero(after & ~before)),
        lost_ids=tuple(int(i) for i in ids[rows][lost][:_SHOWN_IDS]),
        groups=count,
        spread=spread,
        reference=against,
    )


def members_of(
    labels: NDArray[np.integer],
    class_names: Sequence[str],
    *,
    columns: Mapping[str, NDArray[np.generic]],
    numbers: Mapping[str, NDArray[np.float64]],
    by: Sequence[str] | None,
    units: Mapping[str, str] | None = None,
) -> tuple[Members, ...]:
    """All slices that are asked for. numbers: brightness, confidence, length; units: of those that
    have one; by None: all."""
    found: list[Members] = []
    if by is None or "class" in by:
        found += class_members(labels, class_names)
    for name, values in columns.items():
        if by is None or name in by:
            found += column_members(name, values)
    for name, numeric in numbers.items():
        if by is None or name in by:
            found += binned_members(name, numeric, unit=(units or {}).get(name, ""))
    return tuple(found)


def _range(low: float, high: float, unit: str) -> str:
    numbers = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    return f"{numbers} {unit}" if unit else numbers
