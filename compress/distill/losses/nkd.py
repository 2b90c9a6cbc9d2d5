"""Normalised knowledge distillation (Yang et al., 2023)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from compress.distill.losses.classes import check_class_index, of_class, of_others
from compress.distill.losses.wide import in_float32


@in_float32
def nkd(
    student: Tensor,
    teacher: Tensor,
    target: Tensor,
    *,
    gamma: float = 1.5,
    temperature: float = 1.0,
) -> Tensor:
    """mean of -p_y log q_y + gamma * T^2 * cross-entropy of the other classes -> scalar.

    student, teacher: (batch, classes) logits; target: (batch,) class indices; p is the teacher's
    softmax and q the student's, at T = 1 in the first term and renormalised over the others at T
    in the second. Both are cross-entropies: the second is least where the student equals the
    teacher, and is then the teacher's entropy, not 0; the first keeps asking for q_y = 1. The
    caller adds the labels. No gradient reaches the teacher. Raises InputError on soft labels.
    """
    check_class_index(target, kind="nkd")
    teacher = teacher.detach()
    log_own = of_class(functional.log_softmax(student, dim=1), target)
    own = -of_class(functional.softmax(teacher, dim=1), target) * log_own
    log_others = functional.log_softmax(of_others(student, target) / temperature, dim=1)
    others = functional.softmax(of_others(teacher, target) / temperature, dim=1)
    return (own - gamma * temperature**2 * (others * log_others).sum(dim=1)).mean()
