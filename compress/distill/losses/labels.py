"""Cross-entropy on labels, with label smoothing (Szegedy et al., 2016)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from compress.distill.losses.wide import in_float32

NO_LABEL = -100


@in_float32
def labels(student: Tensor, target: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy over all samples. student: (batch, classes) logits -> scalar.

    target: (batch,) class indices, where -100 is a sample without a label, which adds nothing; or
    (batch, classes) probabilities, as mixup makes them: a row that sums to less than one, where a
    label is not known, adds that part of a sample, also in what smoothing spreads. A mean over the
    few that have a label would give each the weight of many beside a teacher that answers for all:
    with one label in forty images it cost DKD 6 points (docs/results/fashion-study.md).
    """
    if target.is_floating_point():
        mass = target.sum(dim=-1, keepdim=True)
        wanted = (1.0 - smoothing) * target + mass * (smoothing / target.shape[-1])
        return functional.cross_entropy(student, wanted, reduction="sum") / max(1, len(target))
    summed = functional.cross_entropy(
        student, target, label_smoothing=smoothing, ignore_index=NO_LABEL, reduction="sum"
    )
    return summed / max(1, len(target))


@in_float32
def sigmoid_labels(student: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy, summed over classes, mean over all samples. student: (batch, classes).

    target: (batch,) class indices, each one yes among noes, where -100 is a sample without a label,
    which adds nothing; or (batch, classes), what mixup makes of those: a row that sums to less than
    one, where a label is not known, adds that part of a sample. So these are not sets of
    labels: a row without any yes is a sample without a label, and not one of noes alone.
    """
    if target.is_floating_point():
        known = target.sum(dim=-1).clamp(max=1)
        wanted = target / known.clamp(min=torch.finfo(target.dtype).tiny)[:, None]
    else:
        known = (target != NO_LABEL).to(student.dtype)
        wanted = functional.one_hot(target.clamp(min=0), student.shape[-1]).to(student.dtype)
    rows = functional.binary_cross_entropy_with_logits(student, wanted, reduction="none")
    return (rows.sum(dim=-1) * known).mean()
