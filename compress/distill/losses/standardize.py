"""Logit standardisation (Sun et al., 2024): the shape of the scores without their scale."""

from __future__ import annotations

import math

from torch import Tensor

from compress.distill.losses.norms import length
from compress.distill.losses.wide import in_float32

FLOOR = 0.1


@in_float32
def standardize(
    logits: Tensor, *, floor: float = FLOOR, epsilon: float = 0.0, correction: int = 1
) -> Tensor:
    """(z - mean) / (sqrt(std^2 + floor^2) + epsilon) over the classes. (..., classes) -> same.

    The authors' code is floor=0, epsilon=1e-7, with the unbiased deviation (correction=1; their
    formula has 0). There a head of zeros, the usual start, gets a gradient 10^7 times too large;
    with the floor it is at most 10 times the plain one, and scores of ordinary spread (above 1)
    move by less than 0.5 %.
    """
    centred = logits - logits.mean(dim=-1, keepdim=True)
    count = max(1, logits.shape[-1] - correction)
    deviation = length(centred) / math.sqrt(count)
    if floor > 0.0:
        deviation = (deviation.square() + floor**2).sqrt()
    return centred / (deviation + epsilon)
