"""Self-attention relations of any two transformers (Wang et al., MiniLMv2, 2021)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from compress.distill.losses.maps import masked_mean
from compress.distill.losses.wide import in_float32
from compress.errors import InputError


@in_float32
def relations(
    student: Tensor, teacher: Tensor, *, heads: int, mask: Tensor | None = None
) -> Tensor:
    """Mean over relation heads and tokens of KL(softmax(T T' / sqrt d_t) || softmax(S S' / sqrt
    d_s)) -> scalar, for one of queries, keys or values; the method adds the three.

    student, teacher: (batch, tokens, width), widths free; each is cut into `heads` relation
    heads of d = width / heads, whatever attention heads the models have. mask: (batch, tokens),
    true where a token counts: padding is no key and no row. No gradient reaches the teacher.
    Raises InputError when `heads` does not divide both widths.
    """
    for side, features in (("student", student), ("teacher", teacher)):
        if features.shape[-1] % heads:
            raise InputError(
                f"{heads} relation heads do not divide the {side}'s width {features.shape[-1]}",
                where="distill.loss.heads",
                cure="use a common divisor of both widths",
            )
    if mask is None:
        mask = student.new_ones(student.shape[:2], dtype=torch.bool)
    log_student = _log_relations(student, heads, mask)
    log_teacher = _log_relations(teacher.detach(), heads, mask)
    divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=-1)
    return masked_mean(divergence.mean(dim=1), mask)


def _log_relations(features: Tensor, heads: int, mask: Tensor) -> Tensor:
    """(batch, heads, tokens, tokens); padding keys have a probability of exactly zero."""
    kept = mask.bool()
    features = features.masked_fill(~kept.unsqueeze(-1), 0.0)
    batch, tokens, width = features.shape
    parts = features.reshape(batch, tokens, heads, width // heads).transpose(1, 2)
    scores = parts @ parts.transpose(-1, -2) / math.sqrt(parts.shape[-1])
    # The lowest finite number and not -inf: 0 * -inf in the divergence would be no number.
    scores = scores.masked_fill(~kept[:, None, None, :], torch.finfo(scores.dtype).min)
    return functional.log_softmax(scores, dim=-1)
