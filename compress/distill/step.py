"""What a training step gives to its loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from compress.distill.shares import WHOLE, Shares
from compress.errors import InputError
from compress.recipe.loss_needs import Tap, tap_of
from compress.recipe.loss_nodes import LayerPair, Single


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Outputs of inner layers: (student, teacher) of each tap, adapted where the tap says so.

    mask: (batch, tokens), true where a token counts; None where nothing is padding. projected: the
    student's outputs in the teacher's width, where a loss asks for a layer that learns that.
    """

    pairs: Mapping[Tap, tuple[Tensor, Tensor]] = field(default_factory=dict)
    mask: Tensor | None = None
    projected: Tensor | None = None

    def among(self, kept: Tensor) -> Features:
        """With the projected outputs of some tokens or frames alone, as a loss sees the others."""
        return self if self.projected is None else replace(self, projected=self.projected[kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step as a loss sees it.

    student: (batch, classes) logits, or the outputs of a task without classes. target: (batch,)
    class indices (-100: no label) or (batch, classes) probabilities. scores: the teacher's logits
    or outputs, or (batch,) decisions; None without a teacher. progress: part of all steps done.
    axes: (teacher width, student width), what `project: pca` multiplies the teacher's outputs by.
    shares: what the means of its terms weigh, where the batch is a part of a larger one.
    """

    student: Tensor
    target: Tensor
    scores: Tensor | None
    progress: float
    features: Features
    axes: Tensor | None = None
    shares: Shares = WHOLE

    @property
    def teacher(self) -> Tensor:
        """The teacher's logits. Raises InputError when there are none."""
        if self.scores is None:
            raise InputError(
                "this loss needs a teacher",
                where="distill.loss",
                cure="add `teacher:` to the recipe or use `loss: {kind: labels}`",
            )
        if self.scores.ndim < self.student.ndim:
            raise InputError(
                "this loss needs the teacher's scores, and it gives decisions alone",
                where="distill.loss",
                cure="use `loss: {kind: hard}`",
            )
        return self.scores

    def pair(self, term: Single, layers: LayerPair) -> tuple[Tensor, Tensor]:
        """The features of one pair of layers, student first."""
        found = self.features.pairs.get(tap_of(term, layers))
        if found is None:
            raise InputError(
                f"there are no features of {layers.student!r} and {layers.teacher!r}",
                where="distill.loss.layers",
                cure="use a teacher that is a torch module; only that one shows its layers",
            )
        return found


TermOf = Callable[[Step], Tensor]
