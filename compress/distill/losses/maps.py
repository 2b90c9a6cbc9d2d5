"""Features of unequal extent: maps of another size, tokens that are padding, and their means."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from compress.distill.losses.wide import in_float32


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


@in_float32
def pooled(features: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """One vector per sample: the mean over the places of a map or over the tokens that count.

    (batch, channels, height, width) or (batch, tokens, width), mask (batch, tokens) -> (batch, n);
    features of another rank come back as they are.
    """
    if features.ndim == 4:
        return features.mean(dim=(2, 3))
    if features.ndim != 3:
        return features
    if mask is None:
        return features.mean(dim=1)
    kept = mask.bool().unsqueeze(-1)
    return features.masked_fill(~kept, 0.0).sum(dim=1) / kept.sum(dim=1).clamp(min=1)
