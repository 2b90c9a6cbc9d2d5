"""Probabilistic knowledge transfer (Passalis and Tefas, 2018)."""

from __future__ import annotations

from torch import Tensor

from compress.distill.losses.norms import FLOOR, length
from compress.distill.losses.wide import in_float32


@in_float32
def pkt(student: Tensor, teacher: Tensor, *, floor: float = FLOOR, epsilon: float = 1e-7) -> Tensor:
    """Mean over all pairs of P_t log((P_t + epsilon) / (P_s + epsilon)) -> scalar.

    student, teacher: (batch, ...) features of any two widths, flattened; P is (1 + cosine) / 2
    between samples, each row summing to one. A batch of one gives 0. The authors' code is
    floor=0; the floor bounds the gradient of features that are all zero. No gradient reaches the
    teacher.
    """
    own = _neighbours(student.flatten(1), floor, epsilon)
    other = _neighbours(teacher.detach().flatten(1), floor, epsilon)
    return (other * ((other + epsilon) / (own + epsilon)).log()).mean()


def _neighbours(features: Tensor, floor: float, epsilon: float) -> Tensor:
    directions = features / (length(features).clamp(min=floor) + epsilon)
    affinity = (directions @ directions.t() + 1.0) / 2.0
    return affinity / affinity.sum(dim=1, keepdim=True)
