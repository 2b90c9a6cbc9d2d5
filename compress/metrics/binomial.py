"""Exact binomial bounds and tests without scipy, so that the gate starts fast."""

from __future__ import annotations

from math import log, log1p

import numpy as np
from numpy.typing import NDArray


def mcnemar_mid_p(gained: int, lost: int) -> float:
    """Two-sided exact McNemar test with mid-p, in (0, 1]; 1 where nothing is discordant.

    2 P(X <= min) - P(X = min), X ~ Binomial(gained + lost, 1/2) (Fagerland, Lydersen and Laake,
    2013). ValueError for negative counts.
    """
    if gained < 0 or lost < 0:
        raise ValueError(f"{gained} gained and {lost} lost are not counts")
    discordant, fewer = gained + lost, min(gained, lost)
    masses = np.exp(_log_choose(discordant, fewer) - discordant * log(2.0))
    return min(1.0, 2.0 * float(masses.sum()) - float(masses[-1]))


def clopper_pearson_upper(events: int, samples: int, *, confidence: float = 0.95) -> float:
    """One-sided exact upper bound of a rate: the p at which P(X <= events) = 1 - confidence.

    Clopper and Pearson, 1934. Absolute error below 1e-12. ValueError unless 0 <= events <= samples.
    """
    if samples < 1 or not 0 <= events <= samples:
        raise ValueError(f"{events} events in {samples} samples is not a rate")
    if events == samples:
        return 1.0
    choose = _log_choose(samples, events)
    counts = np.arange(events + 1)
    low, high = events / samples, 1.0
    while high - low > 1e-13:
        rate = (low + high) / 2.0
        logs = choose + counts * log(rate) + (samples - counts) * log1p(-rate)
        if float(np.exp(logs).sum()) > 1.0 - confidence:
            low = rate
        else:
            high = rate
    return high


def _log_choose(samples: int, last: int) -> NDArray[np.float64]:
    """log C(samples, k) for k = 0..last."""
    k = np.arange(1, last + 1, dtype=np.float64)
    return np.concatenate(([0.0], np.cumsum(np.log((samples - k + 1.0) / k))))
