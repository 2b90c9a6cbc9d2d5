"""The student as it learns: with taps on its layers and the adapters that a loss asks for.

One module, so that several processes share the gradients of adapters too. The student inside is
the module that is averaged, judged and exported; taps and adapters never are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from compress.distill.adapters import make_adapter
from compress.distill.taps import Taps
from compress.distill.teaching import OnlineTeacher
from compress.recipe.loss_needs import Tap
from compress.tasks.views import Inputs


class Learner(nn.Module):
    """(scores, adapted features of each tap) of a batch. adapters[i] belongs to taps[i]."""

    def __init__(
        self, student: nn.Module, *, taps: Sequence[Tap], adapters: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.student, self.adapters = student, nn.ModuleList(adapters)
        self.taps = tuple(taps)
        self.hooks = Taps(student, (tap.student for tap in taps), side="student")

    def forward(self, *inputs: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """inputs: one tensor per input of the task."""
        scores = self.student(*inputs)
        seen = self.hooks.read()
        features = tuple(
            adapter(seen[tap.student])
            for tap, adapter in zip(self.taps, self.adapters, strict=True)
        )
        return scores, features

    def pairs(
        self, features: Sequence[Tensor], teacher: Mapping[str, Tensor]
    ) -> dict[Tap, tuple[Tensor, Tensor]]:
        """Features of both sides by tap."""
        return {
            tap: (own, teacher[tap.teacher]) for tap, own in zip(self.taps, features, strict=True)
        }


def make_learner(
    student: nn.Module,
    teacher: OnlineTeacher,
    *,
    taps: Sequence[Tap],
    example: Inputs,
    seed: int,
) -> Learner:
    """A learner whose adapters fit both sides, found by one pass over `example`.

    Raises InputError for unknown modules and features that no adapter could make alike.
    """
    hooks = Taps(student, (tap.student for tap in taps), side="student")
    was_training = student.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            student.eval()
            student(*example)
            own, theirs = hooks.read(), teacher(example).features
    finally:
        hooks.close()
        student.train(was_training)
    adapters = [
        make_adapter(tap, own[tap.student], theirs[tap.teacher], seed=seed + index)
        for index, tap in enumerate(taps)
    ]
    return Learner(student, taps=taps, adapters=adapters)
