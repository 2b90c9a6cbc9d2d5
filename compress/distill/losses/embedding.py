"""Embeddings, each towards the teacher's own."""

from __future__ import annotations

from torch import Tensor

from compress.distill.losses.alignment import EPSILON, misalignment
from compress.distill.losses.maps import masked_mean
from compress.distill.losses.norms import FLOOR
from compress.distill.losses.wide import in_float32
from compress.errors import InputError


@in_float32
def embedding_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over samples and width of (s - t)^2 -> scalar. student, teacher: (batch, width)."""
    check_widths(student, teacher)
    return (student - teacher.detach()).square().mean()


@in_float32
def embedding_cosine(
    student: Tensor,
    teacher: Tensor,
    *,
    mask: Tensor | None = None,
    floor: float = FLOOR,
    epsilon: float = EPSILON,
) -> Tensor:
    """Mean over samples of 1 - cos(s, t) -> scalar. student, teacher: (batch, width).

    Or (batch, tokens, width) with mask (batch, tokens), true where a token counts. The floor
    bounds the gradient of an embedding that is zero. No gradient reaches the teacher. Raises
    InputError when the widths differ.
    """
    check_widths(student, teacher)
    teacher = teacher.detach()
    if mask is None:
        return misalignment(student, teacher, floor=floor, epsilon=epsilon).mean()
    padding = ~mask.bool().unsqueeze(-1)
    student, teacher = student.masked_fill(padding, 0.0), teacher.masked_fill(padding, 0.0)
    return masked_mean(misalignment(student, teacher, floor=floor, epsilon=epsilon), mask)


def check_widths(student: Tensor, teacher: Tensor) -> None:
    """Raises InputError when the widths differ."""
    if student.shape[-1] != teacher.shape[-1]:
        raise InputError(
            f"the student's width {student.shape[-1]} is not the teacher's {teacher.shape[-1]}",
            where="distill.loss",
            cure="write `project: pca` or `learned`; `form: similarity-kl` fits any two widths",
        )
