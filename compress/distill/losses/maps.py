"""Features of unequal extent: maps of another size, and tokens that are padding."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def same_map_size(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps at the smaller size of each axis, by average pooling.

    (batch, channels, height, width) each; features of another rank come back as they are.
    """
    if student.ndim != 4 or teacher.ndim != 4 or student.shape[2:] == teacher.shape[2:]:
        return student, teacher
    height, width = (min(s, t) for s, t in zip(student.shape[2:], teacher.shape[2:], strict=True))
    return (
        functional.adaptive_avg_pool2d(student, (height, width)),
        functional.adaptive_avg_pool2d(teacher, (height, width)),
    )


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is true; 0 where it never is. Same shapes -> scalar."""
    kept = mask.bool()
    return values.masked_fill(~kept, 0.0).sum() / kept.sum().clamp(min=1)
