"""The distance between two outputs themselves: regression, and raw logit matching."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

from compress.distill.losses.wide import in_float32


@in_float32
def regression(
    student: Tensor, teacher: Tensor, *, form: Literal["mse", "huber"] = "mse", delta: float = 1.0
) -> Tensor:
    """Mean over all elements of (s - t)^2, or of Huber's loss -> scalar. Shapes are equal.

    Huber's is 0.5 e^2 up to |e| = delta and delta (|e| - delta / 2) beyond: an outlier of the
    teacher pulls with a force of at most delta. No gradient reaches the teacher.
    """
    teacher = teacher.detach()
    if form == "mse":
        return functional.mse_loss(student, teacher)
    return functional.huber_loss(student, teacher, delta=delta)
