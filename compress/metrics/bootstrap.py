"""Paired cluster bootstrap: metrics of several models on the same resampled groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.metrics.scores import Answers
from compress.metrics.totals import HIGHER, NAMES, Totals, metrics_of, totals_of
from compress.values import MetricChange, MetricValue

RESAMPLES = 10_000
_FEWEST = 1_000
_WORK = 200_000_000  # samples drawn in all, at most: at 200,000 samples 1,000 resamples
_CHUNK = 2_000_000  # weights held at once
_WIDE = 20_000_000  # sums held at once: with many classes they are more than the weights
_TAIL = 0.05  # one-sided
_Z = 1.6449  # standard errors of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """points, draws: metric -> (subjects,) and (resamples, subjects). fewest: samples of the rarest
    class."""

    subjects: tuple[str, ...]
    points: dict[str, NDArray[np.float64]]
    draws: dict[str, NDArray[np.float64]]
    groups: int
    samples: int
    fewest: int

    def value(self, metric: str, subject: str) -> MetricValue:
        """A metric of one model with its one-sided 95 % percentile bounds."""
        place = self.subjects.index(subject)
        low, high = _bounds(self.draws[metric][:, place])
        unseen = self._unseen(metric, high - low)
        return MetricValue(
            metric=metric,
            value=float(self.points[metric][place]),
            low=max(0.0, low - unseen) if unseen else low,
            high=min(1.0, high + unseen) if unseen else high,
            groups=self.groups,
            resamples=len(self.draws[metric]),
        )

    def change(self, metric: str, reference: str, candidate: str) -> MetricChange:
        """Candidate minus reference, and their ratio, drawn together."""
        before, after = self.subjects.index(reference), self.subjects.index(candidate)
        point, draws = self.points[metric], self.draws[metric]
        low, high = _bounds(draws[:, after] - draws[:, before])
        unseen = self._unseen(metric, high - low)
        ratio = ratio_low = ratio_high = None
        if point[before] > 0 and (draws[:, before] > 0).all():
            ratio = float(point[after] / point[before])
            ratio_low, ratio_high = _bounds(draws[:, after] / draws[:, before])
        return MetricChange(
            metric=metric,
            reference_value=float(point[before]),
            candidate_value=float(point[after]),
            difference=float(point[after] - point[before]),
            difference_low=low - unseen,
            difference_high=high + unseen,
            ratio=ratio,
            ratio_low=ratio_low,
            ratio_high=ratio_high,
            groups=self.groups,
            resamples=len(draws),
        )

    def _unseen(self, metric: str, spread: float) -> float:
        """What a share may hide where no resample differs: the score bound of 0 events in n
        samples, as Tango's has it for two models that answer alike."""
        if metric not in HIGHER or spread > 0:
            return 0.0
        samples = self.fewest if metric == "worst_class_accuracy" else self.samples
        return _Z**2 / (samples + _Z**2)


def resample(
    answered: Sequence[Answers],
    labels: NDArray[np.integer],
    *,
    classes: int,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Resampled:
    """Draw groups with replacement, all their samples with them, the same for every model.

    groups: (n,) an id per sample; None: each is its own. Resamples are cut to what 200 million
    drawn samples allow, and never below 1,000 (or what was asked for).
    """
    totals = totals_of(answered, labels, classes=classes)
    samples = len(labels)
    ids = None if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    count = samples if ids is None else int(ids.max()) + 1
    resamples = min(resamples, max(_FEWEST, _WORK // samples))
    generator = np.random.default_rng(seed)
    point = metrics_of(totals, totals.sums(np.ones((1, samples), dtype=np.float32)))
    parts = [
        metrics_of(totals, totals.sums(_weights(generator, rows, count, ids)))
        for rows in _chunks(resamples, samples, totals.columns)
    ]
    return Resampled(
        subjects=totals.subjects,
        points={name: point[name][0] for name in NAMES},
        draws={name: np.concatenate([part[name] for part in parts]) for name in NAMES},
        groups=count,
        samples=samples,
        fewest=int(np.unique(labels, return_counts=True)[1].min()),
    )


def group_spread(values: NDArray[np.floating], groups: NDArray[np.int64]) -> tuple[int, float]:
    """How many groups, and the cluster-robust standard error of the mean of values. (n,), (n,).

    sqrt(G / (G - 1) sum over groups of (sum of (x - mean))^2) / n; 0 groups of freedom give inf.
    """
    ids = np.unique(groups, return_inverse=True)[1].reshape(-1)
    sums = np.bincount(ids, weights=values - values.mean())
    count = len(sums)
    if count < 2:
        return count, float("inf")
    return count, float(np.sqrt(count / (count - 1) * np.square(sums).sum()) / len(values))


def _chunks(resamples: int, samples: int, columns: int) -> list[int]:
    most = max(1, min(_CHUNK // samples, _WIDE // columns))
    whole, rest = divmod(resamples, most)
    return [most] * whole + ([rest] if rest else [])


def _weights(
    generator: np.random.Generator, rows: int, count: int, ids: NDArray[np.int64] | None
) -> NDArray[np.float32]:
    """How often each sample is in each resample: (rows, samples)."""
    drawn = generator.integers(0, count, size=(rows, count), dtype=np.int32)
    flat = drawn + (np.arange(rows, dtype=np.int64) * count)[:, None]
    times = np.bincount(flat.ravel(), minlength=rows * count).reshape(rows, count)
    weights = times.astype(np.float32)
    return weights if ids is None else weights[:, ids]


def _bounds(draws: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(draws, (_TAIL, 1.0 - _TAIL))
    return float(low), float(high)


__all__ = ["RESAMPLES", "Resampled", "Totals", "group_spread", "resample"]
