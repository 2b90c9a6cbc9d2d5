"""Knowledge distillation on class scores (Hinton, Vinyals and Dean, 2015)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from compress.distill.losses.maps import masked_mean
from compress.distill.losses.wide import in_float32


@in_float32
def kd(
    student: Tensor, teacher: Tensor, *, temperature: float, mask: Tensor | None = None
) -> Tensor:
    """T^2 * mean over samples of KL(softmax(teacher / T) || softmax(student / T)).

    student, teacher: (batch, classes) logits -> scalar, in float32 or wider; or
    (batch, tokens, classes) with mask (batch, tokens), true where a token counts: the mean then
    runs over those tokens.

    The sum runs over classes and the mean over samples: PyTorch's reduction="mean" would divide by
    the number of classes too and make the term that many times too small. Soft targets shrink
    gradients by 1 / T^2; the factor T^2 undoes that, so `weight` keeps its meaning at any T.
    No gradient reaches the teacher.
    """
    teacher = teacher.detach()
    if mask is not None:
        padding = ~mask.bool().unsqueeze(-1)
        student, teacher = student.masked_fill(padding, 0.0), teacher.masked_fill(padding, 0.0)
    log_student = functional.log_softmax(student / temperature, dim=-1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=-1)
    divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=-1)
    mean = divergence.mean() if mask is None else masked_mean(divergence, mask)
    return mean * temperature**2
