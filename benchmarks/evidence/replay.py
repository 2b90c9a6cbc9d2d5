"""The decision rule on resampled sequences of recorded epochs: how often which word comes out.

A sequence is drawn, with replacement, from the epochs of ONE pair, with the signs as recorded:
mixing pairs or drawing the coins again would hide a bias that belongs to a file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.lines import Row
from benchmarks.evidence.networks import Kind
from benchmarks.order import epoch_value
from benchmarks.stats import LOOKS, compare_rows

SEQUENCES = 5000
WANTED: dict[Kind, tuple[str, ...]] = {
    "twin": ("slower", "faster"),
    "plus2": ("slower",),
    "plus5": ("slower",),
}
MUSTS: dict[Kind, float] = {"twin": 0.01, "plus2": 0.95, "plus5": 0.99}
_RESAMPLES = 10_000
_LEVEL = 0.95  # of every bound, one-sided


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One pair under one condition. log_ratios: (epochs,); marked: others used the machine."""

    pair: str
    kind: Kind
    condition: str
    series: str
    log_ratios: tuple[float, ...]
    marked: tuple[bool, ...]

    @property
    def clean(self) -> tuple[float, ...]:
        return tuple(v for v, bad in zip(self.log_ratios, self.marked, strict=True) if not bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often a wanted word came out. Bounds are on the side of the must, level 0.95 each."""

    kind: Kind
    condition: str
    epochs: int
    marked: int
    pairs: int
    series: int
    sequences: int
    rate: float
    by_pair: Mapping[str, float]
    pair_epochs: Mapping[str, int]
    bound_by_pair: float
    bound_by_series: float
    disjoint: tuple[int, int]  # of that many sequences of 10 epochs that share none, so many
    disjoint_bound: float
    mean_epochs: float  # to the answer
    words: Mapping[str, int]

    @property
    def is_met(self) -> bool:
        must = MUSTS[self.kind]
        return self.rate <= must if self.kind == "twin" else self.rate >= must


def recorded(lines: Sequence[Row]) -> tuple[Recorded, ...]:
    """The rows of all units that recorded epochs, with log ratios from the raw block medians."""
    return tuple(
        Recorded(
            pair=row["pair"],
            kind=row["kind"],
            condition=row["condition"],
            series=f"{line['unit']} {line['started_at']}",
            log_ratios=tuple(log_ratio(epoch) for epoch in row["epochs"]),
            marked=tuple(bool(epoch["marked"]) for epoch in row["epochs"]),
        )
        for line in lines
        if line["kind"] == "epochs"
        for row in line["rows"]
    )


def log_ratio(epoch: Row) -> float:
    """As compare() takes it from the same epoch, sign as recorded."""
    return epoch_value([math.log(ns) for ns in epoch["a"]], [math.log(ns) for ns in epoch["b"]])


def rate(
    rows: Sequence[Recorded], *, seed: int, sequences: int = SEQUENCES, clean: bool = True
) -> Rate | None:
    """One kind under one condition. clean: without marked epochs. None: nothing was recorded."""
    used = [(row, row.clean if clean else row.log_ratios) for row in rows]
    used = [(row, values) for row, values in used if values]
    if not used:
        return None
    kind, rng = used[0][0].kind, np.random.default_rng(seed)
    owner = np.arange(sequences) % len(used)
    drawn = np.empty((sequences, LOOKS[-1]))
    for place, (_, values) in enumerate(used):
        mine = np.flatnonzero(owner == place)
        picks = rng.integers(len(values), size=(len(mine), LOOKS[-1]))
        drawn[mine] = np.asarray(values)[picks]
    words, taken = compare_rows(drawn, seed=seed)
    hit = np.array([word in WANTED[kind] for word in words])
    means = np.array([hit[owner == place].mean() for place in range(len(used))])
    weights = np.array([float((owner == place).sum()) for place in range(len(used))])
    upward = kind == "twin"
    by_series: dict[str, list[int]] = {}
    for place, (row, _) in enumerate(used):
        by_series.setdefault(row.series, []).append(place)
    grouped = list(by_series.values())
    series_means = np.array([np.average(means[g], weights=weights[g]) for g in grouped])
    series_weights = np.array([weights[g].sum() for g in grouped])
    disjoint = _disjoint(kind, [values for _, values in used], seed=seed)
    return Rate(
        kind=kind,
        condition=used[0][0].condition,
        epochs=sum(len(values) for _, values in used),
        marked=sum(sum(row.marked) for row in rows),
        pairs=len(used),
        series=len(grouped),
        sequences=sequences,
        rate=float(hit.mean()),
        by_pair={row.pair: float(mean) for (row, _), mean in zip(used, means, strict=True)},
        pair_epochs={row.pair: len(values) for row, values in used},
        bound_by_pair=_cluster_bound(means, weights, upward=upward, rng=rng),
        bound_by_series=_cluster_bound(series_means, series_weights, upward=upward, rng=rng),
        disjoint=disjoint,
        disjoint_bound=binomial_bound(*disjoint, upward=upward),
        mean_epochs=float(np.mean(taken)),
        words=Counter(words),
    )


def _cluster_bound(
    means: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    upward: bool,
    rng: np.random.Generator,
) -> float:
    """One-sided bootstrap bound of the overall rate; whole clusters are resampled."""
    picks = rng.integers(len(means), size=(_RESAMPLES, len(means)))
    totals = (means[picks] * weights[picks]).sum(axis=1) / weights[picks].sum(axis=1)
    return float(np.quantile(totals, _LEVEL if upward else 1 - _LEVEL))


def _disjoint(kind: Kind, rows: Sequence[Sequence[float]], *, seed: int) -> tuple[int, int]:
    """(sequences of the first look's length in the order of recording, wanted words among them).

    Nothing is used twice here, so that a plain binomial bound holds for it.
    """
    size = LOOKS[0]
    cut = [
        values[start : start + size]
        for values in rows
        for start in range(0, len(values) - size + 1, size)
    ]
    if not cut:
        return 0, 0
    words, _ = compare_rows(np.asarray(cut, dtype=np.float64), seed=seed)
    return len(cut), sum(word in WANTED[kind] for word in words)


def binomial_bound(trials: int, hits: int, *, upward: bool, level: float = _LEVEL) -> float:
    """One-sided Clopper-Pearson bound: the upper one, or the lower one. 299, 0 -> 0.00997."""
    if not upward:
        return 1.0 - binomial_bound(trials, trials - hits, upward=True, level=level)
    if hits >= trials:
        return 1.0
    low, high = hits / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(
            math.comb(trials, k) * middle**k * (1 - middle) ** (trials - k) for k in range(hits + 1)
        )
        low, high = (middle, high) if below > 1 - level else (low, middle)
    return high
