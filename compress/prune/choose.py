"""Which units go: a share of every width, or the least important of all, down to a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.prune.units import Group, Units

Scope = Literal["uniform", "global"]
_STEPS = 40  # of the bisection: finer than one channel in 10^12
_LARGEST = 0.98  # of a width that may go


def chosen(
    units: Units,
    scores: NDArray[np.float64],
    *,
    ratio: float,
    scope: Scope,
    round_to: int,
) -> NDArray[np.bool_]:
    """(labels,) what is removed. ratio: of the channels, uniform in each width, global over all.

    Widths are rounded to the nearest multiple of round_to, and never to nothing.
    """
    removed = np.zeros(len(scores), dtype=bool)
    if not ratio:
        return removed
    threshold = None if scope == "uniform" else _threshold(units, scores, ratio)
    for group in units.groups:
        own = scores[group.roots]
        if threshold is None:
            wanted = (1 - ratio) * len(own)
        else:
            wanted = float(np.count_nonzero(_relative(own) > threshold))
        number = _rounded(group, wanted, round_to)
        order = np.argsort(own, kind="stable")
        removed[group.roots[order[: len(own) - number]]] = True
    return removed


def chosen_for(
    units: Units,
    scores: NDArray[np.float64],
    *,
    macs: Callable[[NDArray[np.bool_]], float],
    target: float,
    scope: Scope,
    round_to: int,
) -> NDArray[np.bool_]:
    """What is removed so that the multiply-accumulates come nearest to target, found by bisection.

    Raises InputError where they can't come within a quarter of it: with what stands in the way.
    """
    low, high = 0.0, _LARGEST
    tried: list[tuple[float, float, NDArray[np.bool_]]] = []
    for _ in range(_STEPS):
        ratio = (low + high) / 2
        removed = chosen(units, scores, ratio=ratio, scope=scope, round_to=round_to)
        reached = macs(removed)
        tried.append((abs(reached - target), ratio, removed))
        low, high = (ratio, high) if reached > target else (low, ratio)
    off, _, best = min(tried, key=lambda item: item[:2])
    if off > target / 4:
        most = chosen(units, scores, ratio=_LARGEST, scope=scope, round_to=round_to)
        least = macs(most) / macs(np.zeros_like(most))
        raise _too_far(units, 1 - least)
    return best


def check_any_goes(units: Units, *, round_to: int) -> None:
    """Raises InputError where no unit can go, with what stands in the way."""
    if not any(_rounded(group, 0.0, round_to) < len(group.roots) for group in units.groups):
        raise _too_far(units, 0.0)


def _too_far(units: Units, share: float) -> InputError:
    stays = [f"{', '.join(names[:3])} by {why}" for why, names in units.blocked.items()]
    said = f"; what can't go: {'; '.join(stays[:4])}" if stays else ""
    return InputError(
        f"can't be pruned to that: at most {100 * share:.0f} % of the multiply-accumulates can "
        f"go{said}",
        where="prune",
        cure="ask for less, round to fewer channels, or keep less",
    )


def _rounded(group: Group, wanted: float, round_to: int) -> int:
    """Units to keep: the nearest number whose channels fill blocks, one block at least."""
    units, size = len(group.roots), group.size
    fixed = group.channels - units * size  # channels of the layer that stay anyway
    best, distance = units, float("inf")
    for number in range(1, units + 1):
        filled = (fixed + number * size) % round_to == 0 or number == units
        if filled and abs(number - wanted) < distance:
            best, distance = number, abs(number - wanted)
    return best


def _relative(own: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = float(own.mean())
    return own / mean if mean > 0 else np.ones_like(own)


def _threshold(units: Units, scores: NDArray[np.float64], ratio: float) -> float:
    """Scores relative to the mean of their width: layers differ in scale, not in use."""
    every = [np.repeat(_relative(scores[group.roots]), group.size) for group in units.groups]
    return float(np.quantile(np.concatenate(every), ratio)) if every else 0.0
