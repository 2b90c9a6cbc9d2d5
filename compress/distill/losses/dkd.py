"""Decoupled knowledge distillation (Zhao et al., 2022)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from compress.distill.losses.classes import check_class_index, of_class, of_others
from compress.distill.losses.wide import in_float32


@in_float32
def dkd(
    student: Tensor,
    teacher: Tensor,
    target: Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: float = 4.0,
) -> Tensor:
    """T^2 * mean of (alpha * TCKD + beta * NCKD) -> scalar.

    student, teacher: (batch, classes) logits; target: (batch,) class indices. TCKD is the KL of
    [p_y, 1 - p_y], NCKD the KL over the other classes alone, renormalised; Hinton's loss is
    TCKD + (1 - p_y of the teacher) * NCKD, where a sure teacher mutes the second part.
    1 - p_y comes from a log-sum-exp over the others: the authors' log(softmax) is infinite in
    float32 at a logit of 120. No gradient reaches the teacher. Raises InputError on soft labels.
    """
    check_class_index(target, kind="dkd")
    student, teacher = student / temperature, teacher.detach() / temperature
    binary = _divergence(_log_binary(student, target), _log_binary(teacher, target))
    others = _divergence(
        functional.log_softmax(of_others(student, target), dim=1),
        functional.log_softmax(of_others(teacher, target), dim=1),
    )
    return (alpha * binary + beta * others).mean() * temperature**2


def _log_binary(logits: Tensor, target: Tensor) -> Tensor:
    """log [p_y, 1 - p_y]: (batch, 2)."""
    everything = logits.logsumexp(dim=1)
    own = of_class(logits, target) - everything
    return torch.stack([own, of_others(logits, target).logsumexp(dim=1) - everything], dim=1)


def _divergence(log_student: Tensor, log_teacher: Tensor) -> Tensor:
    """KL(teacher || student) per row."""
    return (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1)
