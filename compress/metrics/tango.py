"""Non-inferiority of a paired difference of proportions: the score test of Tango (1998).

On n samples, gained counts those where the candidate alone is right (b), lost those where the
reference alone is right (c). The difference is (b - c) / n, candidate minus reference. Under
H0: difference = d the chance q of a lost sample is estimated with the difference held at d:

    A = 2n,  B = -b - c + (2n - b + c) d,  C = -c d (1 - d),  q = (sqrt(B^2 - 4AC) - B) / 2A
    Z(d) = (b - c - n d) / sqrt(n (2q + d (1 - d)))

Tango T., "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statistics in Medicine 17 (1998) 891-908.
"""

from __future__ import annotations

from math import ceil, copysign, inf, sqrt
from statistics import NormalDist


def tango_z(gained: float, lost: float, samples: float, *, difference: float) -> float:
    """Z(d) at d = difference in [-1, 1]; large and positive: the true difference is above d.

    Shares of 1 sample in place of counts give the value that each sample adds, over sqrt(n).
    """
    _check(gained, lost, samples)
    return _z(gained, lost, samples, difference)


def difference_low_bound(
    gained: int, lost: int, samples: int, *, confidence: float = 0.95
) -> float:
    """One-sided lower bound of candidate minus reference, in [-1, 1]: the root of Z(d) = z."""
    _check(gained, lost, samples)
    z = NormalDist().inv_cdf(confidence)
    low, high = -1.0, (gained - lost) / samples  # Z falls from +inf (or 0 at -1) to 0
    while True:
        middle = (low + high) / 2.0
        if not low < middle < high:
            return low  # neighbouring floats: rounded to the careful side
        if _z(gained, lost, samples, middle) > z:
            low = middle
        else:
            high = middle


def difference_high_bound(
    gained: int, lost: int, samples: int, *, confidence: float = 0.95
) -> float:
    """One-sided upper bound: the lower one of reference minus candidate, with its sign turned."""
    return -difference_low_bound(lost, gained, samples, confidence=confidence)


def samples_needed(
    margin: float,
    psi: float,
    difference: float,
    *,
    alpha: float = 0.05,
    power: float = 0.9,
) -> int | None:
    """Samples that show "not worse by margin" with this power; None where no number can.

    margin: allowed drop, a fraction; psi: share of samples on which exactly one model is right;
    difference: true candidate minus reference. n = (z_a sqrt(V0) + z_b sqrt(V1))^2 / (m + D)^2 with
    V0 the variance of Z at d = -m and V1 = psi - D^2. ValueError for shares that can't be.
    """
    if not 0.0 < margin < 1.0 or not abs(difference) <= psi <= 1.0:
        raise ValueError(f"margin {margin}, psi {psi}, difference {difference} can't be together")
    if difference <= -margin:
        return None
    gained, lost = (psi + difference) / 2.0, (psi - difference) / 2.0
    null = _variance(gained, lost, 1.0, -margin)
    true = max(0.0, psi - difference**2)
    normal = NormalDist()
    root = normal.inv_cdf(1.0 - alpha) * sqrt(null) + normal.inv_cdf(power) * sqrt(true)
    return max(1, ceil((root / (margin + difference)) ** 2))


def _z(gained: float, lost: float, samples: float, d: float) -> float:
    distance = gained - lost - samples * d
    variance = samples * _variance(gained, lost, samples, d)
    if variance <= 0.0:  # every sample decided alike, or nothing discordant at d = 0
        return 0.0 if distance == 0.0 else copysign(inf, distance)
    return distance / sqrt(variance)


def _variance(gained: float, lost: float, samples: float, d: float) -> float:
    """Of one sample's difference under H0: 2q + d (1 - d), with q as above."""
    a = 2.0 * samples
    b = -gained - lost + (2.0 * samples - gained + lost) * d
    c = -lost * d * (1.0 - d)
    root = sqrt(max(0.0, b * b - 4.0 * a * c))
    # The same root, written so that nothing cancels: for b > 0 the usual form loses its digits.
    q = (root - b) / (2.0 * a) if b <= 0.0 else -2.0 * c / (root + b)
    return 2.0 * q + d * (1.0 - d)


def _check(gained: float, lost: float, samples: float) -> None:
    if samples <= 0 or gained < 0 or lost < 0 or gained + lost > samples:
        raise ValueError(f"{gained} gained and {lost} lost of {samples} samples can't be")
