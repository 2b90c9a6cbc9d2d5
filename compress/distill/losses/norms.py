"""Lengths and directions of vectors, with gradients that stay bounded at zero."""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-3  # shorter vectors count as this long: their gradients grow at most 1000 times


def length(vectors: Tensor) -> Tensor:
    """L2 norm over the last axis, kept as an axis of one. Its gradient at zero is zero."""
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return norms


def unit(vectors: Tensor, *, epsilon: float) -> Tensor:
    """The vectors of the last axis by their length, which counts as at least `epsilon`."""
    return vectors / length(vectors).clamp(min=epsilon)
