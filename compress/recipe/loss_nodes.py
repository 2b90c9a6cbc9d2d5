"""The losses that a recipe can name, with the defaults of their sources."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from compress.recipe.node import Node
from compress.recipe.units import DurationText

Weight = Annotated[float, Field(ge=0)]
Temperature = Annotated[float, Field(gt=0)]
Part = Annotated[float, Field(ge=0, le=1)]  # of all steps


class LayerPair(Node):
    """Modules whose outputs are compared, by their names in `named_modules()`."""

    student: Annotated[str, Field(min_length=1)]
    teacher: Annotated[str, Field(min_length=1)]


def _as_tuple(value: Any) -> Any:
    """A list of the file: where `loss` may be a word, pydantic's strict mode asks for a tuple."""
    return tuple(value) if isinstance(value, list) else value


Layers = Annotated[tuple[LayerPair, ...], BeforeValidator(_as_tuple)]
SomeLayers = Annotated[tuple[LayerPair, ...], Field(min_length=1), BeforeValidator(_as_tuple)]


class LabelsLoss(Node):
    """Cross-entropy on the labels alone, with label smoothing."""

    kind: Literal["labels"]
    smoothing: float = Field(default=0.1, ge=0, lt=1)


class KdLoss(Node):
    """Hinton's loss: weight * T^2 * KL + label_weight * cross-entropy on labels.

    label_weight is 1 - weight where it is not written. `sigmoid` takes each class for a yes or no
    of its own; `standardize` compares the shape of the scores without their scale.
    """

    kind: Literal["kd"]
    temperature: Temperature = 4.0
    weight: Weight = 0.9
    label_weight: Weight | None = None
    form: Literal["softmax", "sigmoid"] = "softmax"
    standardize: bool = False

    @model_validator(mode="after")
    def _label_weight_is_known(self) -> KdLoss:
        if self.label_weight is None and self.weight > 1:
            raise ValueError(
                "a weight above 1 leaves open what the labels weigh; write `label_weight: 0.1`"
            )
        return self


class HardLoss(Node):
    """weight * cross-entropy on the teacher's best class + (1 - weight) * that on labels."""

    kind: Literal["hard"]
    weight: Part = 0.5
    smoothing: float = Field(default=0.1, ge=0, lt=1)  # of the teacher's decisions


class RegressionLoss(Node):
    """weight * distance of the outputs themselves + label_weight * cross-entropy on labels."""

    kind: Literal["regression"]
    form: Literal["mse", "huber"] = "mse"
    delta: float = Field(default=1.0, gt=0)
    weight: Weight = 1.0
    label_weight: Weight = 0.0


class DkdLoss(Node):
    """Decoupled KD; `warmup` is the part of all steps in which its weight rises from 0."""

    kind: Literal["dkd"]
    alpha: Weight = 1.0
    beta: Weight = 8.0
    temperature: Temperature = 4.0
    label_weight: Weight = 1.0
    warmup: Part = 0.08
    standardize: bool = False


class DistLoss(Node):
    """DIST: correlation within samples (beta) and within classes (gamma)."""

    kind: Literal["dist"]
    beta: Weight = 1.0
    gamma: Weight = 1.0
    temperature: Temperature = 1.0
    label_weight: Weight = 1.0


class NkdLoss(Node):
    """Normalised KD: the teacher's confidence in the label, and the other classes (gamma)."""

    kind: Literal["nkd"]
    gamma: Weight = 1.5
    temperature: Temperature = 1.0
    label_weight: Weight = 1.0


class FocalLoss(Node):
    """KD that weighs (base + right) where the teacher is right and base elsewhere: against answers
    that the teacher had and the student loses."""

    kind: Literal["focal"]
    temperature: Temperature = 4.0
    base: Weight = 1.0
    right: Weight = 5.0
    weight: Weight = 0.9
    label_weight: Weight = 0.1


class HintLoss(Node):
    """Squared distance of features, through an adapter where widths differ."""

    kind: Literal["hint"]
    layers: SomeLayers
    weight: Weight = 100.0


class AttentionLoss(Node):
    """Attention transfer between maps of any width: no adapter."""

    kind: Literal["attention"]
    layers: SomeLayers
    power: float = Field(default=2.0, ge=1)
    form: Literal["code", "paper"] = "code"
    weight: Weight = 1000.0


class PktLoss(Node):
    """Probabilities of neighbours in the batch; of the outputs where no layers are named."""

    kind: Literal["pkt"]
    layers: Layers = ()
    weight: Weight = 30000.0


class RkdLoss(Node):
    """Distances and angles in the batch; of the outputs where no layers are named."""

    kind: Literal["rkd"]
    layers: Layers = ()
    distance: Weight = 25.0
    angle: Weight = 50.0
    weight: Weight = 1.0


class EmbeddingLoss(Node):
    """Embeddings: the outputs, or the layers named. The similarity forms fit any two widths.

    project, where outputs differ in width: `pca`, the axes of a wider teacher that keep most of its
    dot products, as many as the student has numbers; `learned`, a linear layer from the student's
    numbers to the teacher's that is trained beside the student and not shipped. Layers of unequal
    widths get such a layer by themselves.
    """

    kind: Literal["embedding"]
    form: Literal["cosine", "mse", "similarity-kl", "similarity-mse"] = "cosine"
    layers: Layers = ()
    project: Literal["none", "pca", "learned"] = "none"
    temperature: Temperature = 0.05  # of similarity-kl
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _projection_has_a_place(self) -> EmbeddingLoss:
        if self.project != "none" and (self.layers or self.form not in ("cosine", "mse")):
            raise ValueError(
                f"`project: {self.project}` is for outputs under cosine or mse; remove it: layers "
                "have an adapter, and similarities fit any two widths"
            )
        return self


class RelationsLoss(Node):
    """MiniLMv2: name the query, key and value projections of one layer on each side."""

    kind: Literal["relations"]
    layers: SomeLayers
    heads: int = Field(default=48, ge=1)  # relation heads; they divide both widths
    weight: Weight = 1.0


class DistilbertLoss(Node):
    """DistilBERT's triple loss: KD, labels, and the direction of hidden states."""

    kind: Literal["distilbert"]
    layers: SomeLayers
    temperature: Temperature = 2.0
    weight: Weight = 5.0
    label_weight: Weight = 2.0
    cosine: Weight = 1.0


def _kind_alone(value: Any) -> Any:
    """`loss: labels` is short for `loss: {kind: labels}`."""
    return {"kind": value} if isinstance(value, str) else value


Single = (
    LabelsLoss
    | KdLoss
    | HardLoss
    | RegressionLoss
    | DkdLoss
    | DistLoss
    | NkdLoss
    | FocalLoss
    | HintLoss
    | AttentionLoss
    | PktLoss
    | RkdLoss
    | EmbeddingLoss
    | RelationsLoss
    | DistilbertLoss
)


class Term(Node):
    """One loss of a sum. warmup: the part of all steps in which its weight rises from 0."""

    loss: Annotated[Single, Field(discriminator="kind"), BeforeValidator(_kind_alone)]
    weight: Weight = 1.0
    warmup: Part = 0.0


class SumLoss(Node):
    """A weighted sum of losses."""

    kind: Literal["sum"]
    terms: Annotated[tuple[Term, ...], Field(min_length=1), BeforeValidator(_as_tuple)]


class AutoLoss(Node):
    """A race of methods on short pilots within `budget`; `distil advise` shows its table."""

    kind: Literal["auto"]
    budget: DurationText = "20min"


LossNode = Annotated[
    Single | SumLoss | AutoLoss, Field(discriminator="kind"), BeforeValidator(_kind_alone)
]
