"""Losses on features and embeddings: node and step in, scalar out; layers add up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from torch import Tensor

from compress.distill.losses.attention import attention
from compress.distill.losses.embedding import embedding_cosine, embedding_mse
from compress.distill.losses.hint import hint
from compress.distill.losses.kd import kd
from compress.distill.losses.labels import labels
from compress.distill.losses.maps import pooled
from compress.distill.losses.pkt import pkt
from compress.distill.losses.relations import relations
from compress.distill.losses.rkd import rkd
from compress.distill.losses.similarity import similarity_kl, similarity_mse
from compress.distill.step import Step
from compress.recipe.loss_nodes import (
    AttentionLoss,
    DistilbertLoss,
    EmbeddingLoss,
    HintLoss,
    PktLoss,
    RelationsLoss,
    RkdLoss,
)


def hint_term(node: HintLoss, step: Step) -> Tensor:
    pairs = [step.pair(node, pair) for pair in node.layers]
    return node.weight * _total(
        _share(step, student) * hint(student, teacher, mask=_mask(step, student))
        for student, teacher in pairs
    )


def attention_term(node: AttentionLoss, step: Step) -> Tensor:
    pairs = [step.pair(node, pair) for pair in node.layers]
    return (
        node.weight
        * step.shares.samples
        * _total(
            attention(student, teacher, power=node.power, form=node.form)
            for student, teacher in pairs
        )
    )


def pkt_term(node: PktLoss, step: Step) -> Tensor:
    return _weight(node, step) * _total(pkt(*pair) for pair in _pairs(node, step))


def rkd_term(node: RkdLoss, step: Step) -> Tensor:
    return _weight(node, step) * _total(
        rkd(*pair, distance=node.distance, angle=node.angle) for pair in _pairs(node, step)
    )


def embedding_term(node: EmbeddingLoss, step: Step) -> Tensor:
    pairs = _pairs(node, step)
    if node.project == "pca" and step.axes is not None:
        # In float32: the axes are orthonormal to its last digits alone.
        pairs = [(own, other.float() @ step.axes.to(other.device)) for own, other in pairs]
    if node.project == "learned" and step.features.projected is not None:
        pairs = [(step.features.projected, other) for _, other in pairs]
    return _weight(node, step) * _total(_embedding(node, *pair) for pair in pairs)


def relations_term(node: RelationsLoss, step: Step) -> Tensor:
    pairs = [step.pair(node, pair) for pair in node.layers]
    return node.weight * _total(
        _share(step, student)
        * relations(student, teacher, heads=node.heads, mask=_mask(step, student))
        for student, teacher in pairs
    )


def distilbert_term(node: DistilbertLoss, step: Step) -> Tensor:
    pairs = [step.pair(node, pair) for pair in node.layers]
    directions = _total(
        _share(step, student) * embedding_cosine(student, teacher, mask=_mask(step, student))
        for student, teacher in pairs
    )
    soft = kd(step.student, step.teacher, temperature=node.temperature)
    return (
        step.shares.answers
        * (node.weight * soft + node.label_weight * labels(step.student, step.target))
        + node.cosine * directions
    )


def _embedding(node: EmbeddingLoss, student: Tensor, teacher: Tensor) -> Tensor:
    match node.form:
        case "cosine":
            return embedding_cosine(student, teacher)
        case "mse":
            return embedding_mse(student, teacher)
        case "similarity-kl":
            return similarity_kl(student, teacher, temperature=node.temperature)
        case "similarity-mse":
            return similarity_mse(student, teacher)
        case _:
            assert_never(node.form)


def _pairs(node: PktLoss | RkdLoss | EmbeddingLoss, step: Step) -> list[tuple[Tensor, Tensor]]:
    """Per sample one vector on each side: tokens by their mean, maps by their mean over places."""
    if not node.layers:
        return [(step.student, step.teacher)]
    pairs = [step.pair(node, pair) for pair in node.layers]
    return [
        (pooled(student, mask=_mask(step, student)), pooled(teacher, mask=_mask(step, teacher)))
        for student, teacher in pairs
    ]


def _mask(step: Step, features: Tensor) -> Tensor | None:
    """The mask of tokens where the features have any."""
    return step.features.mask if features.ndim == 3 else None


def _share(step: Step, features: Tensor) -> float:
    """Of what a mean over these features runs over: tokens where some are padding."""
    return step.shares.samples if _mask(step, features) is None else step.shares.tokens


def _weight(node: PktLoss | RkdLoss | EmbeddingLoss, step: Step) -> float:
    """Of a loss on one vector per sample, or on outputs."""
    return node.weight * (step.shares.samples if node.layers else step.shares.answers)


def _total(values: Iterable[Tensor]) -> Tensor:
    first, *others = values
    for value in others:
        first = first + value
    return first
