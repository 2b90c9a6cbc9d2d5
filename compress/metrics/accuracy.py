"""Accuracy of one model on one split, with an interval."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.values import Quality


def wilson_interval(correct: int, samples: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided score interval of a proportion, both ends in [0, 1] (Wilson, 1927).

    ValueError unless 0 <= correct <= samples, samples > 0 and 0 < confidence < 1.
    """
    if samples < 1 or not 0 <= correct <= samples:
        raise ValueError(f"{correct} correct of {samples} samples is not a proportion")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share = correct / samples
    scale = 1.0 + z * z / samples
    centre = (share + z * z / (2.0 * samples)) / scale
    half = z * sqrt(share * (1.0 - share) / samples + z * z / (4.0 * samples**2)) / scale
    # At 0 and at n the ends are exactly 0 and 1; rounding must not say otherwise.
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == samples else min(1.0, centre + half)
    return low, high


def quality(subject: str, predicted: NDArray[np.integer], labels: NDArray[np.integer]) -> Quality:
    """Top-1 accuracy with its Wilson 95 % interval. predicted, labels: (n,) class indices.

    InputError when they are empty, of other lengths, or not class indices.
    """
    check_classes(subject, predicted, labels)
    samples = len(labels)
    correct = int(np.count_nonzero(predicted == labels))
    low, high = wilson_interval(correct, samples)
    return Quality(
        subject=subject,
        samples=samples,
        accuracy=correct / samples,
        accuracy_low=low,
        accuracy_high=high,
    )


def check_classes(
    subject: str, predicted: NDArray[np.integer], labels: NDArray[np.integer]
) -> None:
    """Refuse predictions that can't be set against the labels: comparing shapes that differ would
    broadcast, and scores in place of classes would count as wrong."""
    for name, values in (("predictions", predicted), ("labels", labels)):
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
            raise InputError(
                f"{name} are {values.dtype} of shape {values.shape}, not one class index per "
                "sample",
                where=subject,
                cure="take the argmax over classes first",
            )
    if len(predicted) != len(labels):
        raise InputError(f"{len(predicted)} predictions for {len(labels)} labels", where=subject)
    if len(labels) == 0:
        raise InputError("there are no samples to judge accuracy on", where=subject)
