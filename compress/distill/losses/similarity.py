"""Embeddings by their similarities within the batch: any two widths fit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from compress.distill.losses.norms import FLOOR, unit
from compress.distill.losses.wide import in_float32


@in_float32
def similarity_mse(student: Tensor, teacher: Tensor, *, floor: float = FLOOR) -> Tensor:
    """Mean over pairs i != j of (cos_s(i, j) - cos_t(i, j))^2 -> scalar.

    student, teacher: (batch, width), widths free. A batch of one gives 0. No gradient reaches the
    teacher.
    """
    if len(student) < 2:
        return student.sum() * 0.0
    own, other = _cosines(student, floor), _cosines(teacher.detach(), floor)
    return (own - other).square().mean()


@in_float32
def similarity_kl(
    student: Tensor, teacher: Tensor, *, temperature: float = 0.05, floor: float = FLOOR
) -> Tensor:
    """T^2 * mean over i of KL over j != i of softmax(cos_t(i, j) / T) and the student's -> scalar.

    Each sample ranks the rest of the batch. student, teacher: (batch, width), widths free.
    Below three samples there is nothing to rank, and the value is 0. No gradient reaches the
    teacher.
    """
    if len(student) < 2:
        return student.sum() * 0.0
    own = functional.log_softmax(_cosines(student, floor) / temperature, dim=1)
    other = functional.log_softmax(_cosines(teacher.detach(), floor) / temperature, dim=1)
    return (other.exp() * (other - own)).sum(dim=1).mean() * temperature**2


def _cosines(embeddings: Tensor, floor: float) -> Tensor:
    """(batch, width) -> (batch, batch - 1): each row without its own sample."""
    directions = unit(embeddings, epsilon=floor)
    cosines = directions @ directions.t()
    batch = len(embeddings)
    others = ~torch.eye(batch, dtype=torch.bool, device=embeddings.device)
    return cosines[others].reshape(batch, batch - 1)
