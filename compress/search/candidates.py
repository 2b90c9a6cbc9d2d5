"""Which methods are worth a pilot: what the teacher gives, the task, its labels, the gap decide.

The rules are those of docs/distillation.md; what a rule leaves out is named with its reason, so
that nobody wonders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from compress.recipe.loss_needs import needs_class_index, needs_whole_batch, taps_of
from compress.recipe.loss_nodes import (
    DistLoss,
    DkdLoss,
    HardLoss,
    HintLoss,
    KdLoss,
    LabelsLoss,
    LayerPair,
    LossNode,
    NkdLoss,
    PktLoss,
    RegressionLoss,
    SumLoss,
    Term,
)

Given = Literal["hard labels", "top-k", "logits"]

FEW_CLASSES = 4  # below five there is little in the classes that are wrong
BIG_GAP = 10.0  # teacher's multiply-accumulates over the student's
FEW_LABELS = 0.5  # share of the training samples: below it most are taught by the teacher alone
FUNMATCH = "funmatch"
HINT = "kd and hint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What a method changes in `distill`. mixup: its alpha where the method mixes and the recipe
    doesn't; None leaves mixup as the recipe has it."""

    loss: LossNode
    mixup: float | None = None


LABELS, SMOOTHED, MIXED = "labels", "label smoothing", "labels, mixed"
CONTROLS: Mapping[str, Arm] = {
    LABELS: Arm(loss=LabelsLoss(kind="labels", smoothing=0.0)),
    SMOOTHED: Arm(loss=LabelsLoss(kind="labels", smoothing=0.1)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides. gap: the teacher's multiply-accumulates over the student's, None if unknown.

    labelled: share of the training samples that have a label. mixup: whether the recipe mixes;
    unmixable: why it can't, None where it could. in_parts: whether a batch is trained in parts, or
    by several processes.
    layers: of the student and of the teacher, that an adapter makes alike; where they are None,
    unlike says why.
    """

    given: Given
    classes: int
    gap: float | None
    labelled: float = 1.0
    mixup: bool = False
    unmixable: str | None = None
    in_parts: bool = False
    layers: tuple[str, str] | None = None
    unlike: str = "the teacher shows no layers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """arms: by name, in the order of the table; controls: by name; left_out: name -> reason."""

    arms: Mapping[str, Arm]
    controls: Mapping[str, Arm]
    left_out: Mapping[str, str]


def candidates(facts: Facts) -> Candidates:
    """The methods to race, and those that are not raced with the reason."""
    losses, left_out = _by_scores(facts)
    if facts.mixup:
        reason = "it needs the class of each sample, and a mixture has none: remove `mixup`"
        indexed = [name for name, loss in losses.items() if needs_class_index(loss) is not None]
        left_out |= dict.fromkeys(indexed, reason)
    if facts.in_parts:
        cure = "remove `accumulate` and `processes`"
        reason = f"it compares the samples of a batch with each other: {cure}"
        related = [name for name, loss in losses.items() if needs_whole_batch(loss) is not None]
        left_out |= dict.fromkeys(related, reason)
    arms = {name: Arm(loss=loss) for name, loss in losses.items() if name not in left_out}
    controls = dict(CONTROLS)
    if facts.given != "hard labels":
        unfit = _unfit_to_match(facts)
        if unfit is not None:
            left_out[FUNMATCH] = unfit
        else:
            # Where labels are few it is the first to try, so that no short budget leaves it out.
            arms = {FUNMATCH: _funmatch(facts), **arms}
            if not facts.mixup:  # or the gain of mixtures would be taken for the teacher's
                controls[MIXED] = Arm(loss=CONTROLS[LABELS].loss, mixup=arms[FUNMATCH].mixup)
    return Candidates(arms=arms, controls=controls, left_out=left_out)


def from_stored(offered: Candidates) -> Candidates:
    """Without what its teacher has to be asked anew for, and what is compared with that."""
    reason = "its teacher would be asked anew, which takes more than the time of a search has"
    asking = [name for name, arm in offered.arms.items() if arm.mixup or taps_of(arm.loss)]
    return Candidates(
        arms={name: arm for name, arm in offered.arms.items() if name not in asking},
        controls={name: arm for name, arm in offered.controls.items() if not arm.mixup},
        left_out={**offered.left_out, **dict.fromkeys(asking, reason)},
    )


def _by_scores(facts: Facts) -> tuple[dict[str, LossNode], dict[str, str]]:
    """Losses by what the teacher gives, and what that leaves out."""
    if facts.given == "hard labels":
        decided: dict[str, LossNode] = {
            "teacher's decisions": HardLoss(kind="hard", weight=1.0),
            "decisions and labels": HardLoss(kind="hard", weight=0.5),
        }
        reason = "it needs scores, and this teacher gives decisions alone"
        return decided, dict.fromkeys((*_SCORE_METHODS, FUNMATCH), reason)
    if facts.given == "top-k":
        short: dict[str, LossNode] = {
            "kd, T=1": KdLoss(kind="kd", temperature=1.0, weight=0.5),
            "teacher's decisions": HardLoss(kind="hard", weight=0.5),
        }
        reason = "a temperature or a correlation over classes that were not stored means nothing"
        return short, dict.fromkeys(_SCORE_METHODS, reason)
    return _by_logits(facts)


def _by_logits(facts: Facts) -> tuple[dict[str, LossNode], dict[str, str]]:
    losses: dict[str, LossNode] = {
        "kd": KdLoss(kind="kd", temperature=4.0, weight=0.9),
        "kd, standardized": KdLoss(
            kind="kd", temperature=2.0, weight=9.0, label_weight=0.1, standardize=True
        ),
        "kd, no labels": KdLoss(kind="kd", temperature=4.0, weight=1.0),
    }
    left_out: dict[str, str] = {}
    if facts.classes <= FEW_CLASSES:
        losses["logit mse"] = RegressionLoss(kind="regression", weight=0.5, label_weight=0.5)
        reason = f"{facts.classes} classes leave it too little to compare beside the label"
        left_out["dkd"] = left_out["dist"] = left_out["nkd"] = reason
    else:
        # A large gap makes the term of the other classes too strong at its usual weight.
        wide = facts.gap is not None and facts.gap > BIG_GAP
        losses["dkd"] = DkdLoss(kind="dkd", beta=2.0 if wide else 8.0)
        losses["dist"] = DistLoss(kind="dist", beta=2.0, gamma=2.0, temperature=4.0)
        losses["nkd"] = NkdLoss(kind="nkd")
    losses["kd and pkt"] = SumLoss(
        kind="sum",
        terms=(
            Term(loss=KdLoss(kind="kd", temperature=4.0, weight=0.9)),
            Term(loss=PktLoss(kind="pkt")),
        ),
    )
    if facts.layers is None:
        left_out[HINT] = facts.unlike
    else:
        losses[HINT] = _hint(*facts.layers)
    return losses, left_out


def _hint(student: str, teacher: str) -> LossNode:
    """Features beside scores (Romero et al., 2015). Last of the table: its teacher answers in the
    loop, since no store holds layers."""
    pair = LayerPair(student=student, teacher=teacher)
    return SumLoss(
        kind="sum",
        terms=(
            Term(loss=KdLoss(kind="kd", temperature=4.0, weight=0.9)),
            Term(loss=HintLoss(kind="hint", layers=(pair,), weight=1.0)),
        ),
    )


def _funmatch(facts: Facts) -> Arm:
    """The teacher's probabilities alone, on mixtures (Beyer et al., 2022)."""
    loss = KdLoss(kind="kd", temperature=1.0, weight=1.0)
    return Arm(loss=loss, mixup=None if facts.mixup else 1.0)


def _unfit_to_match(facts: Facts) -> str | None:
    """Why FunMatch is not raced."""
    if facts.unmixable is not None:
        return facts.unmixable
    if not facts.mixup and facts.labelled >= FEW_LABELS:
        # It has mixtures of its own, so stored outputs of its own.
        return "it pays where most samples have no label, or over far more epochs than a pilot has"
    return None


_SCORE_METHODS = ("kd", "kd, standardized", "dkd", "dist", "nkd", "kd and pkt", HINT)
