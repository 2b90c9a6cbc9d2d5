"""Feature hints (Romero et al., FitNets, 2015)."""

from __future__ import annotations

from torch import Tensor

from compress.distill.losses.maps import masked_mean, same_map_size
from compress.distill.losses.wide import in_float32
from compress.errors import InputError


@in_float32
def hint(student: Tensor, teacher: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean over all elements of (student - teacher)^2 -> scalar.

    student, teacher: (batch, channels, height, width) maps, of which the larger is average-pooled
    to the size of the smaller; or (batch, width); or (batch, tokens, width) with `mask`
    (batch, tokens), true where a token counts. The student's features have been through the
    adapter (1x1 convolution or linear) that gives them the teacher's width. No gradient reaches
    the teacher. Raises InputError when the widths differ.
    """
    student, teacher = same_map_size(student, teacher.detach())
    if student.shape != teacher.shape:
        raise InputError(
            f"student features {tuple(student.shape[1:])} and teacher features "
            f"{tuple(teacher.shape[1:])} differ",
            where="distill.loss",
            cure="let an adapter bring the student to the teacher's width",
        )
    if mask is None:
        return (student - teacher).square().mean()
    kept = mask.bool().unsqueeze(-1)
    error = (student.masked_fill(~kept, 0.0) - teacher.masked_fill(~kept, 0.0)).square()
    return masked_mean(error.mean(dim=-1), mask)
