"""Probabilities as logits: what a black box gives, in the form that every loss takes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.errors import InputError

# Softmax gives the logarithm of a probability back but for a constant. A forest's exact zero has
# none; eps of float32 stands for it: less is lost in the sum with 1.
FLOOR = 1e-7
_SUM_TOLERANCE = 0.01  # float16 probabilities of a thousand classes


def logits_of(probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
    """log(max(p, 1e-7)): softmax of it is p again. (n, classes) -> (n, classes).

    Raises InputError for rows that are no probabilities.
    """
    wide = probabilities.astype(np.float32)
    if not looks_like_probabilities(wide):
        low, sums = float(wide.min()), wide.sum(axis=1)
        raise InputError(
            "the teacher's outputs are no probabilities: the least is "
            f"{low:.3g}, rows sum to {float(sums.min()):.3g} .. {float(sums.max()):.3g}",
            where="teacher.outputs",
            cure="write `outputs: logits`",
        )
    return np.log(np.maximum(wide, np.float32(FLOOR)))


def looks_like_probabilities(scores: NDArray[np.floating]) -> bool:
    """Whether all are in [0, 1] and every row sums to 1, within 1 %."""
    if not len(scores) or float(scores.min()) < 0.0 or float(scores.max()) > 1.0 + _SUM_TOLERANCE:
        return False
    return bool(np.all(np.abs(scores.sum(axis=1) - 1.0) <= _SUM_TOLERANCE))


class LogitsOf(nn.Module):
    """A network that ends in softmax, with its logarithm behind it; exported as one."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> Tensor:
        probabilities: Tensor = self.inner(*inputs)
        return torch.log(probabilities.clamp_min(FLOOR))
