"""Knowledge distillation on class scores (Hinton, Vinyals and Dean, 2015)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def kd(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """T^2 * mean over samples of KL(softmax(teacher / T) || softmax(student / T)).

    student, teacher: (batch, classes) logits -> scalar, in float32 or wider.

    The sum runs over classes and the mean over samples: PyTorch's reduction="mean" would divide by
    the number of classes too and make the term that many times too small. Soft targets shrink
    gradients by 1 / T^2; the factor T^2 undoes that, so `weight` keeps its meaning at any T.
    No gradient reaches the teacher.
    """
    student, teacher = _wide(student), _wide(teacher.detach())
    log_student = functional.log_softmax(student / temperature, dim=-1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=-1)
    divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=-1)
    return divergence.mean() * temperature**2


def _wide(logits: Tensor) -> Tensor:
    """At least float32: half precision loses the small probabilities that carry the signal."""
    return logits if logits.dtype == torch.float64 else logits.float()
