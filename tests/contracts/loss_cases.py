"""Every loss as a function of (student, teacher, target), with what it takes and promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from compress.distill.losses.attention import attention
from compress.distill.losses.dist import dist
from compress.distill.losses.dkd import dkd
from compress.distill.losses.embedding import embedding_cosine, embedding_mse
from compress.distill.losses.focal import focal
from compress.distill.losses.hard import hard
from compress.distill.losses.hint import hint
from compress.distill.losses.kd import kd
from compress.distill.losses.labels import labels, sigmoid_labels
from compress.distill.losses.nkd import nkd
from compress.distill.losses.pkt import pkt
from compress.distill.losses.regression import regression
from compress.distill.losses.relations import relations
from compress.distill.losses.rkd import rkd
from compress.distill.losses.sigmoid_kd import sigmoid_kd
from compress.distill.losses.similarity import similarity_kl, similarity_mse
from compress.distill.losses.standardize import standardize
from compress.distill.losses.triple import triple

CLASSES = 5
TokenLoss = Callable[[Tensor, Tensor, Tensor], Tensor]  # student, teacher, mask


@dataclass(frozen=True, kw_only=True)
class Case:
    """loss: (student, teacher, target) -> scalar. Shapes are those of one sample; (CLASSES,) stands
    for any number of classes.

    zero: 0 where the student equals the teacher. alone: the mean over samples of the loss of each
    alone; otherwise it compares samples, and a batch of one gives 0.
    """

    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    student: tuple[int, ...] = (CLASSES,)
    teacher: tuple[int, ...] = (CLASSES,)
    zero: bool = True
    alone: bool = True


def _standardized_kd(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
    return kd(standardize(student), standardize(teacher), temperature=2.0)


def _standardized_dkd(student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
    return dkd(standardize(student), standardize(teacher), target, temperature=2.0)


def _triple(student: Tensor, teacher: Tensor, target: Tensor, *, hard: float = 2.0) -> Tensor:
    return triple(student, teacher, student, teacher, target, hard=hard)


def _without_target(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda student, teacher, target: loss(student, teacher)


TOKENS, WIDE, MAPS = (4, 12), (4, 24), (3, 4, 4)
CASES: dict[str, Case] = {
    "kd": Case(loss=_without_target(partial(kd, temperature=4.0))),
    "kd T=1": Case(loss=_without_target(partial(kd, temperature=1.0))),
    "kd standardised": Case(loss=_standardized_kd),
    "kd sigmoid": Case(loss=_without_target(partial(sigmoid_kd, temperature=2.0))),
    "kd tokens": Case(
        loss=_without_target(partial(kd, temperature=2.0)), student=TOKENS, teacher=TOKENS
    ),
    "dkd": Case(loss=dkd),
    "dkd standardised": Case(loss=_standardized_dkd),
    "dist": Case(loss=_without_target(dist), alone=False),
    "nkd": Case(loss=nkd, zero=False),
    "focal": Case(loss=focal),
    "hard": Case(loss=_without_target(hard), zero=False),
    "labels": Case(loss=lambda student, teacher, target: labels(student, target), zero=False),
    "labels sigmoid": Case(
        loss=lambda student, teacher, target: sigmoid_labels(student, target), zero=False
    ),
    "regression mse": Case(loss=_without_target(regression)),
    "regression huber": Case(loss=_without_target(partial(regression, form="huber"))),
    "hint": Case(loss=_without_target(hint), student=MAPS, teacher=MAPS),
    "hint pooled": Case(loss=_without_target(hint), student=MAPS, teacher=(3, 8, 8), zero=False),
    "attention": Case(loss=_without_target(attention), student=MAPS, teacher=MAPS),
    "attention paper": Case(
        loss=_without_target(partial(attention, form="paper")), student=MAPS, teacher=MAPS
    ),
    "attention widths": Case(
        loss=_without_target(attention), student=MAPS, teacher=(7, 8, 8), zero=False
    ),
    "pkt": Case(loss=_without_target(pkt), alone=False),
    "rkd": Case(loss=_without_target(rkd), alone=False),
    "embedding mse": Case(loss=_without_target(embedding_mse)),
    "embedding cosine": Case(loss=_without_target(embedding_cosine)),
    "similarity mse": Case(loss=_without_target(similarity_mse), alone=False),
    "similarity kl": Case(loss=_without_target(similarity_kl), alone=False),
    "relations": Case(
        loss=_without_target(partial(relations, heads=4)), student=TOKENS, teacher=TOKENS
    ),
    "relations widths": Case(
        loss=_without_target(partial(relations, heads=4)),
        student=TOKENS,
        teacher=WIDE,
        zero=False,
    ),
    "triple": Case(loss=_triple, zero=False),  # its labels ask for more than the teacher gives
    "triple without labels": Case(loss=partial(_triple, hard=0.0)),
}
MASKED: dict[str, TokenLoss] = {
    "kd": lambda s, t, m: kd(s, t, temperature=2.0, mask=m),
    "hint": lambda s, t, m: hint(s, t, mask=m),
    "embedding cosine": lambda s, t, m: embedding_cosine(s, t, mask=m),
    "relations": lambda s, t, m: relations(s, t, heads=4, mask=m),
}


def draw(
    case: Case, *, batch: int, seed: int, classes: int = CLASSES
) -> tuple[Tensor, Tensor, Tensor]:
    """Random student, teacher and target in float64."""
    generator = torch.Generator().manual_seed(seed)

    def side(shape: tuple[int, ...]) -> Tensor:
        own = (classes,) if shape == (CLASSES,) else shape
        return torch.randn(batch, *own, generator=generator, dtype=torch.float64)

    student, teacher = side(case.student), side(case.teacher)
    target = torch.randint(0, classes, (batch,), generator=generator)
    return student, teacher, target
