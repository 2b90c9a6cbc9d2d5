"""The student as it learns: with taps on its layers and the adapters that a loss asks for.

One module, so that several processes share the gradients of adapters too. The student inside is
the module that is averaged, judged and exported; taps and adapters never are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from compress.distill.adapters import make_adapter, make_projection
from compress.distill.taps import Taps
from compress.distill.teaching import OnlineTeacher
from compress.recipe.loss_needs import Tap
from compress.tasks.views import Inputs


class Learner(nn.Module):
    """(scores, adapted features of each tap, projected scores) of a batch. adapters[i] belongs to
    taps[i]; projected scores are None without a projection."""

    def __init__(
        self,
        student: nn.Module,
        *,
        taps: Sequence[Tap],
        adapters: Sequence[nn.Module],
        projection: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.student, self.adapters = student, nn.ModuleList(adapters)
        self.projection = projection
        self.taps = tuple(taps)
        self.hooks = Taps(student, (tap.student for tap in taps), side="student")

    def forward(self, *inputs: Tensor) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
        """inputs: one tensor per input of the task."""
        scores = self.student(*inputs)
        seen = self.hooks.read()
        features = tuple(
            adapter(seen[tap.student])
            for tap, adapter in zip(self.taps, self.adapters, strict=True)
        )
        projected = None if self.projection is None else self.projection(scores)
        return scores, features, projected

    def pairs(
        self, features: Sequence[Tensor], teacher: Mapping[str, Tensor]
    ) -> dict[Tap, tuple[Tensor, Tensor]]:
        """Features of both sides by tap."""
        return {
            tap: (own, teacher[tap.teacher]) for tap, own in zip(self.taps, features, strict=True)
        }


def make_learner(
    student: nn.Module,
    teacher: OnlineTeacher | None,
    *,
    taps: Sequence[Tap],
    example: Inputs,
    seed: int,
    width: int | None = None,
) -> Learner:
    """A learner whose adapters fit both sides, found by one pass over `example`. teacher: may be
    None without taps. width: of the teacher's outputs, where the student's are projected to it.

    Raises InputError for unknown modules and features that no adapter could make alike.
    """
    hooks = Taps(student, (tap.student for tap in taps), side="student")
    was_training = student.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            student.eval()
            outputs = student(*example)
            own = hooks.read()
            theirs = {} if teacher is None else teacher(example).features
    finally:
        hooks.close()
        student.train(was_training)
    adapters = [
        make_adapter(tap, own[tap.student], theirs[tap.teacher], seed=seed + index)
        for index, tap in enumerate(taps)
    ]
    projection = None
    if width is not None:
        projection = make_projection(outputs, width, seed=seed + len(adapters))
    return Learner(student, taps=taps, adapters=adapters, projection=projection)
