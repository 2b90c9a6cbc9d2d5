"""Cross-entropy on labels, with label smoothing (Szegedy et al., 2016)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def labels(student: Tensor, target: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy. student: (batch, classes) logits; target: (batch,) int64 -> scalar."""
    wide = student if student.dtype == torch.float64 else student.float()
    return functional.cross_entropy(wide, target, label_smoothing=smoothing)
