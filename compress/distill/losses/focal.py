"""KD that leans on the samples that the teacher gets right: fewer answers get lost."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from compress.distill.losses.labels import NO_LABEL
from compress.distill.losses.wide import in_float32
from compress.errors import InputError


@in_float32
def focal(
    student: Tensor,
    teacher: Tensor,
    target: Tensor,
    *,
    temperature: float = 4.0,
    base: float = 1.0,
    right: float = 5.0,
) -> Tensor:
    """mean over samples of (base + right * [teacher is right]) * T^2 * KL(teacher || student).

    student, teacher: (batch, classes) logits; target: (batch,) class indices, where -100 counts as
    not right -> scalar. Focal distillation (Yan et al., Positive-Congruent Training, 2021): a
    sample that the teacher answers rightly and the student wrongly is a negative flip. No gradient
    reaches the teacher. Raises InputError on soft labels.
    """
    if target.is_floating_point():
        raise InputError(
            "whether the teacher is right has no meaning on mixed or soft labels",
            where="distill.loss",
            cure="use kd, or train without mixup",
        )
    teacher = teacher.detach()
    own = functional.log_softmax(student / temperature, dim=-1)
    other = functional.log_softmax(teacher / temperature, dim=-1)
    rows = (other.exp() * (other - own)).sum(dim=-1) * temperature**2
    correct = (teacher.argmax(dim=-1) == target) & (target != NO_LABEL)
    return (rows * (base + right * correct.to(rows.dtype))).mean()
