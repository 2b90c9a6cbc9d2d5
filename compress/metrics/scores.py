"""From a model's scores to what its metrics need of each sample: class, confidence, losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError

_LEAST = 1e-12  # a probability of 0 on the right class would be an infinite loss
_SUM = 1e-3  # how far the sum of a row of probabilities may be from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What probabilities say of n samples, (n,) each. nll in nats; brier: sum over classes of
    squared errors, 0 to 2."""

    confidence: NDArray[np.float64]  # probability of the class that was answered
    nll: NDArray[np.float64]
    brier: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """One model on n samples. classes: (n,); scored: None where only its classes are known."""

    subject: str
    classes: NDArray[np.int64]
    scored: Scored | None = None


def answers(subject: str, scores: NDArray[np.floating], labels: NDArray[np.integer]) -> Answers:
    """scores: (n, classes) logits, or probabilities where every row already is a distribution.

    InputError where the best score of a sample is no number: its class would be chance.
    """
    unknown = int(np.count_nonzero(~np.isfinite(scores.max(axis=1))))
    if unknown:
        raise InputError(
            f"answers NaN or infinity to {unknown:,} of {len(scores):,} samples",
            where=subject,
            cure="numbers of a float16 file may overflow: export it as float32",
        )
    chances = probabilities(scores)
    right = chances[np.arange(len(labels)), labels]
    squares = np.square(chances).sum(axis=1)
    return Answers(
        subject=subject,
        classes=scores.argmax(axis=1).astype(np.int64),
        scored=Scored(
            confidence=chances.max(axis=1),
            nll=-np.log(np.maximum(right, _LEAST)),
            brier=squares - 2.0 * right + 1.0,
        ),
    )


def probabilities(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Softmax of logits; rows that are distributions already are left as they are. (n, classes)."""
    values = scores.astype(np.float64)
    sums = values.sum(axis=1)
    if values.size and (values >= 0.0).all() and bool((np.abs(sums - 1.0) <= _SUM).all()):
        scaled: NDArray[np.float64] = values / sums[:, None]
        return scaled
    values -= values.max(axis=1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)
    return values
