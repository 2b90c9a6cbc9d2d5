"""Several models on the same samples: each alone and in pairs, with bounds over groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from compress.metrics.accuracy import quality
from compress.metrics.bootstrap import Resampled, group_spread, resample
from compress.metrics.paired import pair
from compress.metrics.scores import Answers
from compress.metrics.totals import HIGHER, NAMES
from compress.values import PairedQuality, Quality

_Z = 1.6449  # one-sided 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """given: subject -> its answers; labels: (n,) indices of `classes`; groups: (n,), None where
    each sample is its own. drawn: None where nothing was resampled."""

    given: Mapping[str, Answers]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    groups: NDArray[np.int64] | None
    drawn: Resampled | None

    def quality(self, subject: str) -> Quality:
        """Accuracy, and every metric that its answers allow."""
        found = quality(subject, self.given[subject].classes, self.labels)
        if self.drawn is None:
            return found
        names = _metrics(self.given[subject])
        return replace(found, metrics=tuple(self.drawn.value(name, subject) for name in names))

    def pair(self, reference: str, candidate: str) -> PairedQuality:
        """Tango's bounds for one sample per group, the bootstrap's over groups otherwise."""
        before, after = self.given[reference], self.given[candidate]
        found = pair(reference, candidate, before.classes, after.classes, self.labels, self.classes)
        if self.drawn is None:
            return found
        names = _metrics(before, after)
        metrics = tuple(self.drawn.change(name, reference, candidate) for name in names)
        if self.groups is None:
            return replace(found, metrics=metrics)
        accuracy = metrics[names.index("accuracy")]
        flips = (before.classes == self.labels) & (after.classes != self.labels)
        return replace(
            found,
            metrics=metrics,
            groups=self.drawn.groups,
            difference_low_bound=accuracy.difference_low,
            difference_high_bound=accuracy.difference_high,
            negative_flip_rate_upper=_flips_upper(
                flips, self.groups, found.negative_flip_rate_upper
            ),
        )


def compare_answers(
    given: Sequence[Answers],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
    resampled: bool = True,
) -> Compared:
    """All models on one set of samples. resampled: also the metrics that only resamples bound;
    groups are always drawn, for no exact bound fits them."""
    drawn = None
    if resampled or groups is not None:
        drawn = resample(given, labels, classes=len(classes), groups=groups, seed=seed)
    return Compared(
        given={one.subject: one for one in given},
        labels=labels,
        classes=classes,
        groups=groups,
        drawn=drawn,
    )


def _metrics(*given: Answers) -> tuple[str, ...]:
    """What all of them can be judged by: losses and calibration need scores."""
    return NAMES if all(one.scored is not None for one in given) else HIGHER


def _flips_upper(flips: NDArray[np.bool_], groups: NDArray[np.int64], independent: float) -> float:
    """The rate plus 1.645 cluster-robust standard errors, and never below the exact bound."""
    _, spread = group_spread(flips.astype(np.float64), groups)
    return min(1.0, max(independent, float(flips.mean()) + _Z * spread))
