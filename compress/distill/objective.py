"""From a loss node of the recipe to the function that a training step minimises."""

from __future__ import annotations

from functools import partial
from typing import Protocol, assert_never

from torch import Tensor

from compress.distill.feature_terms import (
    attention_term,
    distilbert_term,
    embedding_term,
    hint_term,
    pkt_term,
    relations_term,
    rkd_term,
)
from compress.distill.logit_terms import (
    dist_term,
    dkd_term,
    focal_term,
    hard_term,
    kd_term,
    labels_term,
    nkd_term,
    regression_term,
)
from compress.distill.losses.labels import NO_LABEL
from compress.distill.losses.ramp import ramp
from compress.distill.shares import WHOLE, Shares
from compress.distill.step import Features, Step, TermOf
from compress.errors import InputError
from compress.recipe.loss_needs import needs_class_index
from compress.recipe.loss_needs import needs_teacher as needs_teacher
from compress.recipe.loss_nodes import (
    AttentionLoss,
    AutoLoss,
    DistilbertLoss,
    DistLoss,
    DkdLoss,
    EmbeddingLoss,
    FocalLoss,
    HardLoss,
    HintLoss,
    KdLoss,
    LabelsLoss,
    LossNode,
    NkdLoss,
    PktLoss,
    RegressionLoss,
    RelationsLoss,
    RkdLoss,
    SumLoss,
)

NO_FEATURES = Features()


class Objective(Protocol):
    """student: (batch, classes) logits; target: (batch,) labels; teacher: logits or None.

    With (batch, tokens, classes) logits, target (batch, tokens) is -100 at padding, and the loss is
    that of the other tokens. progress: part of all steps done, for warm-ups. features: what the
    taps of the loss (recipe.loss_needs.taps_of) gave in this step. shares: what the means weigh
    where the batch is a part of a larger one.
    """

    def __call__(
        self,
        student: Tensor,
        target: Tensor,
        teacher: Tensor | None,
        *,
        progress: float = 1.0,
        features: Features = NO_FEATURES,
        shares: Shares = WHOLE,
    ) -> Tensor: ...


def build_objective(
    node: LossNode, *, soft_labels: bool = False, axes: Tensor | None = None
) -> Objective:
    """The loss of a recipe. soft_labels: targets are probabilities, as mixup makes them. axes: of
    `project: pca` (distill.axes), where the teacher is wider than the student.

    Raises InputError for a loss that has no meaning on soft labels, and in the step when teacher
    outputs are missing.
    """
    kind = needs_class_index(node)
    if soft_labels and kind is not None:
        raise InputError(
            f"`{kind}` splits off the class of each sample, and mixed or soft labels have none",
            where="distill.loss",
            cure="use kd or dist, or train without mixup",
        )
    term = _term(node)

    def objective(
        student: Tensor,
        target: Tensor,
        teacher: Tensor | None,
        *,
        progress: float = 1.0,
        features: Features = NO_FEATURES,
        shares: Shares = WHOLE,
    ) -> Tensor:
        if student.ndim == 3 and target.ndim == 2 and not target.is_floating_point():
            kept = target != NO_LABEL
            if not kept.any():
                return student.sum() * 0.0
            student, target = student[kept], target[kept]
            teacher = None if teacher is None else teacher[kept]
            features = features.among(kept)
        return term(
            Step(
                student=student,
                target=target,
                scores=teacher,
                progress=progress,
                features=features,
                axes=axes,
                shares=shares,
            )
        )

    return objective


def _term(node: LossNode) -> TermOf:
    match node:
        case LabelsLoss():
            return partial(labels_term, node)
        case KdLoss():
            return partial(kd_term, node)
        case HardLoss():
            return partial(hard_term, node)
        case RegressionLoss():
            return partial(regression_term, node)
        case DkdLoss():
            return partial(dkd_term, node)
        case DistLoss():
            return partial(dist_term, node)
        case NkdLoss():
            return partial(nkd_term, node)
        case FocalLoss():
            return partial(focal_term, node)
        case HintLoss():
            return partial(hint_term, node)
        case AttentionLoss():
            return partial(attention_term, node)
        case PktLoss():
            return partial(pkt_term, node)
        case RkdLoss():
            return partial(rkd_term, node)
        case EmbeddingLoss():
            return partial(embedding_term, node)
        case RelationsLoss():
            return partial(relations_term, node)
        case DistilbertLoss():
            return partial(distilbert_term, node)
        case SumLoss():
            return _sum(node)
        case AutoLoss():
            raise InputError(
                "`auto` stands for a race that `distil run` and `distil advise` hold",
                where="distill.loss",
                cure="name a loss, such as kd",
            )
        case _:
            assert_never(node)


def _sum(node: SumLoss) -> TermOf:
    terms = [(term, _term(term.loss)) for term in node.terms]

    def total(step: Step) -> Tensor:
        loss = step.student.sum() * 0.0
        for term, value in terms:
            weight = term.weight * ramp(step.progress, term.warmup)
            if weight:
                loss = loss + weight * value(step)
        return loss

    return total
