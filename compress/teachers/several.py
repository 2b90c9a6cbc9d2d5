"""Several teachers as one: the weighted mean of their probabilities, as logits.

Of probabilities, not logits: a loss on soft labels is linear in them, so the mean teaches what all
teach together, and a teacher with large logits does not drown the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compress.teachers.scores import FLOOR
from compress.teachers.teacher import Teacher


def mean_of(
    scores: Sequence[NDArray[np.floating]], weights: Sequence[float]
) -> NDArray[np.float32]:
    """log max(sum of w_i softmax(z_i) / sum of w_i, 1e-7). scores: (..., classes) logits."""
    total = float(sum(weights))
    mean = np.zeros(scores[0].shape, dtype=np.float64)
    for one, weight in zip(scores, weights, strict=True):
        powers = np.exp(one.astype(np.float64) - one.max(axis=-1, keepdims=True))
        mean += weight / total * powers / powers.sum(axis=-1, keepdims=True)
    return np.log(np.maximum(mean, FLOOR)).astype(np.float32)


def several_teachers(
    members: Sequence[Teacher], weights: Sequence[float], *, digest: str
) -> Teacher:
    """One teacher of all. Its answer to inputs is the mean of theirs, and stored outputs among
    them have none; compress.teachers.outputs asks those by sample id.
    """

    def answer(*inputs: Tensor) -> NDArray[np.float32]:
        return mean_of([member.answer(*inputs) for member in members], weights)

    return Teacher(
        name=" + ".join(member.name for member in members),
        digest=digest,
        answer=answer,
        module=None,
        onnx_path=None,
        members=tuple(zip(members, weights, strict=True)),
    )
