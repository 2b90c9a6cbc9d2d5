"""The teacher's decision as the label: all that a black box may give (as DeiT, Touvron 2021)."""

from __future__ import annotations

from torch import Tensor

from compress.distill.losses.labels import labels


def hard(student: Tensor, teacher: Tensor, *, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy on the teacher's best class, with label smoothing -> scalar.

    student: (batch, classes) logits; teacher: (batch, classes) logits, or (batch,) class indices.
    """
    chosen = teacher if teacher.ndim == 1 else teacher.argmax(dim=-1)
    return labels(student, chosen.long(), smoothing=smoothing)
