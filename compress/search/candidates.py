"""Which methods are worth a pilot: what the teacher gives, the classes, and the gap decide.

The rules are those of the decision table in docs/distillation.md; what a rule leaves out is named
with its reason, so that nobody wonders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from compress.recipe.loss_nodes import (
    DistLoss,
    DkdLoss,
    HardLoss,
    KdLoss,
    LabelsLoss,
    LossNode,
    NkdLoss,
    PktLoss,
    RegressionLoss,
    SumLoss,
    Term,
)

Given = Literal["hard labels", "top-k", "logits"]

LABELS, SMOOTHED = "labels", "label smoothing"
CONTROLS: Mapping[str, LossNode] = {
    LABELS: LabelsLoss(kind="labels", smoothing=0.0),
    SMOOTHED: LabelsLoss(kind="labels", smoothing=0.1),
}
FEW_CLASSES = 4  # below five there is little in the classes that are wrong
BIG_GAP = 10.0  # teacher's multiply-accumulates over the student's


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides. gap: the teacher's multiply-accumulates over the student's, None if unknown."""

    given: Given
    classes: int
    gap: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """arms: name -> loss, in the order of the table; left_out: name -> reason."""

    arms: Mapping[str, LossNode]
    left_out: Mapping[str, str]


def candidates(facts: Facts) -> Candidates:
    """The methods to race, and those that are not raced with the reason."""
    arms: dict[str, LossNode] = {}
    left_out: dict[str, str] = {}
    if facts.given == "hard labels":
        arms["teacher's decisions"] = HardLoss(kind="hard", weight=1.0)
        arms["decisions and labels"] = HardLoss(kind="hard", weight=0.5)
        reason = "it needs scores, and this teacher gives decisions alone"
        return Candidates(arms=arms, left_out=dict.fromkeys(_SCORE_METHODS, reason))
    if facts.given == "top-k":
        arms["kd, T=1"] = KdLoss(kind="kd", temperature=1.0, weight=0.5)
        arms["teacher's decisions"] = HardLoss(kind="hard", weight=0.5)
        reason = "a temperature or a correlation over classes that were not stored means nothing"
        left_out.update(dict.fromkeys(_SCORE_METHODS, reason))
        return Candidates(arms=arms, left_out=left_out)
    arms["kd"] = KdLoss(kind="kd", temperature=4.0, weight=0.9)
    arms["kd, standardized"] = KdLoss(
        kind="kd", temperature=2.0, weight=9.0, label_weight=0.1, standardize=True
    )
    arms["kd, no labels"] = KdLoss(kind="kd", temperature=4.0, weight=1.0)
    if facts.classes <= FEW_CLASSES:
        arms["logit mse"] = RegressionLoss(kind="regression", weight=0.5, label_weight=0.5)
        reason = f"{facts.classes} classes leave it too little to compare beside the label"
        left_out["dkd"] = left_out["dist"] = left_out["nkd"] = reason
    else:
        # A large gap makes the term of the other classes too strong at its usual weight.
        wide = facts.gap is not None and facts.gap > BIG_GAP
        arms["dkd"] = DkdLoss(kind="dkd", beta=2.0 if wide else 8.0)
        arms["dist"] = DistLoss(kind="dist", beta=2.0, gamma=2.0, temperature=4.0)
        arms["nkd"] = NkdLoss(kind="nkd")
    arms["kd and pkt"] = SumLoss(
        kind="sum",
        terms=(
            Term(loss=KdLoss(kind="kd", temperature=4.0, weight=0.9)),
            Term(loss=PktLoss(kind="pkt")),
        ),
    )
    left_out["hint"] = "it needs the names of layers: write `loss: {kind: hint, layers: ...}`"
    return Candidates(arms=arms, left_out=left_out)


_SCORE_METHODS = ("kd", "kd, standardized", "dkd", "dist", "nkd", "kd and pkt")
