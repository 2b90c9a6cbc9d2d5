"""What a loss needs of the rest of the run, told from its node alone. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    LayerPair,
    LossNode,
    NkdLoss,
    PktLoss,
    RelationsLoss,
    RkdLoss,
    Single,
    SumLoss,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """Outputs of two modules that a loss compares. adapted: through an adapter on the student's
    side that gives it the teacher's width, where the two differ."""

    student: str
    teacher: str
    adapted: bool


def terms_of(node: LossNode) -> tuple[Single, ...]:
    """The single losses of a loss."""
    if isinstance(node, AutoLoss):
        return ()  # the race replaces it
    if isinstance(node, SumLoss):
        return tuple(term.loss for term in node.terms)
    return (node,)


def needs_teacher(node: LossNode) -> bool:
    """Whether the loss reads anything of the teacher."""
    return any(not isinstance(term, LabelsLoss) for term in terms_of(node))


def needs_scores(node: LossNode) -> bool:
    """Whether the loss reads the teacher's outputs, and not its inner layers alone."""
    return any(_reads_scores(term) for term in terms_of(node))


def compares_classes(node: LossNode) -> bool:
    """Whether the teacher's outputs are read as scores of classes: not its layers alone, and not
    as vectors whose relations or directions are kept."""
    return any(
        _reads_scores(term) and not isinstance(term, PktLoss | RkdLoss | EmbeddingLoss)
        for term in terms_of(node)
    )


def needs_axes(node: LossNode) -> bool:
    """Whether the teacher's outputs are projected to the student's width by PCA."""
    return any(isinstance(t, EmbeddingLoss) and t.project == "pca" for t in terms_of(node))


def needs_projection(node: LossNode) -> bool:
    """Whether the student's outputs are projected to the teacher's width by a layer that learns."""
    return any(isinstance(t, EmbeddingLoss) and t.project == "learned" for t in terms_of(node))


def needs_class_index(node: LossNode) -> str | None:
    """The kind of a term that needs one class per sample, so no mixup; None where none does."""
    for term in terms_of(node):
        if isinstance(term, DkdLoss | NkdLoss | FocalLoss):
            return term.kind
    return None


def approximate_on_top_k(node: LossNode) -> tuple[str, ...]:
    """The kinds of terms that a short form of the teacher's scores, top k and the mass of the rest,
    serves only roughly: the rest is taken as even, which is exact for a plain KD at temperature 1
    and too much mass at a higher one."""
    return tuple(dict.fromkeys(t.kind for t in terms_of(node) if _reads_scores(t) and _softens(t)))


def needs_whole_batch(node: LossNode) -> str | None:
    """The kind of a term that compares the samples of a batch with each other, so that a batch in
    parts has another loss; None where none does. `auto` then races none that does."""
    for term in terms_of(node):
        if _compares_samples(term):
            return term.kind
    return None


def taps_of(node: LossNode) -> tuple[Tap, ...]:
    """The pairs of layers that the loss compares, each once, in the order of the recipe."""
    return tuple(dict.fromkeys(tap for term in terms_of(node) for tap in _taps(term)))


def tap_of(term: Single, pair: LayerPair) -> Tap:
    """The tap of one pair of layers of a loss."""
    adapted = isinstance(term, HintLoss | DistilbertLoss) or (
        isinstance(term, EmbeddingLoss) and term.form in ("cosine", "mse")
    )
    return Tap(student=pair.student, teacher=pair.teacher, adapted=adapted)


def _reads_scores(term: Single) -> bool:
    if isinstance(term, LabelsLoss | HintLoss | AttentionLoss | RelationsLoss):
        return False
    return not (isinstance(term, PktLoss | RkdLoss | EmbeddingLoss) and term.layers)


def _softens(term: Single) -> bool:
    """Whether it reads more of the scores than their probabilities at temperature 1."""
    match term:
        case LabelsLoss() | HardLoss():
            return False
        case KdLoss():
            return term.temperature != 1.0 or term.standardize
        case NkdLoss() | FocalLoss() | DistilbertLoss():
            return term.temperature != 1.0
        case _:
            return True


def _compares_samples(term: Single) -> bool:
    if isinstance(term, DistLoss):
        return term.gamma > 0
    if isinstance(term, EmbeddingLoss):
        return term.form.startswith("similarity")
    return isinstance(term, PktLoss | RkdLoss)


def _taps(term: Single) -> Iterator[Tap]:
    match term:
        case (
            HintLoss()
            | AttentionLoss()
            | PktLoss()
            | RkdLoss()
            | EmbeddingLoss()
            | RelationsLoss()
            | DistilbertLoss()
        ):
            for pair in term.layers:
                yield tap_of(term, pair)
        case _:
            return
