"""Distillation of independent yes-or-no scores (the one-vs-all term of Yang et al., 2023)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid

from compress.distill.losses.wide import in_float32


@in_float32
def sigmoid_kd(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """T^2 * mean over samples of the sum over classes of KL(teacher || student), yes against no.

    Yes has the probability sigmoid(z / T). student, teacher: (batch, classes) logits of labels that
    do not exclude each other -> scalar. No gradient reaches the teacher.
    From log sigmoid(z) and log sigmoid(-z): the logarithm of a clamped sigmoid is infinite in
    float32 at a logit of 20.
    """
    student, teacher = student / temperature, teacher.detach() / temperature
    yes, no = logsigmoid(teacher), logsigmoid(-teacher)
    divergence = yes.exp() * (yes - logsigmoid(student)) + no.exp() * (no - logsigmoid(-student))
    return divergence.sum(dim=-1).mean() * temperature**2
