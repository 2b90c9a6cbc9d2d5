"""The triple loss of DistilBERT (Sanh et al., 2019)."""

from __future__ import annotations

from torch import Tensor

from compress.distill.losses.embedding import embedding_cosine
from compress.distill.losses.kd import kd
from compress.distill.losses.labels import labels


def triple(
    student: Tensor,
    teacher: Tensor,
    student_hidden: Tensor,
    teacher_hidden: Tensor,
    target: Tensor,
    *,
    temperature: float = 2.0,
    soft: float = 5.0,
    hard: float = 2.0,
    cosine: float = 1.0,
    mask: Tensor | None = None,
) -> Tensor:
    """soft * KD + hard * cross-entropy + cosine * (1 - cos of hidden states) -> scalar.

    student, teacher: (batch, classes) logits; hidden: (batch, width), or (batch, tokens, width)
    with mask (batch, tokens), true where a token counts; target: (batch,) class indices.
    """
    return (
        soft * kd(student, teacher, temperature=temperature)
        + hard * labels(student, target)
        + cosine * embedding_cosine(student_hidden, teacher_hidden, mask=mask)
    )
