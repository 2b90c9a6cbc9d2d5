"""A teacher in the training loop: asked in every step, on the very inputs of the student."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.distill.taps import Taps
from compress.errors import InputError
from compress.recipe.loss_needs import Tap
from compress.tasks.views import Inputs
from compress.teachers.teacher import Teacher


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """scores: the teacher's logits, or decisions; features: outputs of its tapped modules."""

    scores: Tensor
    features: Mapping[str, Tensor] = field(default_factory=dict)


class OnlineTeacher:
    """Answers a batch in eval mode, without gradients, in float32 whatever the student trains in.

    network: a torch module, which alone shows its layers; or answer: any other teacher.
    """

    def __init__(
        self,
        *,
        network: nn.Module | None = None,
        answer: Callable[..., NDArray[np.float32]] | None = None,
        taps: Sequence[Tap] = (),
    ) -> None:
        self.network, self.answer = network, answer
        if network is None and taps:
            raise InputError(
                f"the loss compares layer `{taps[0].teacher}`, and this teacher shows none",
                where="distill.loss.layers",
                cure="use a teacher that is a torch module, or a loss on outputs",
            )
        self.hooks = (
            None
            if network is None
            else Taps(network, (tap.teacher for tap in taps), side="teacher")
        )

    def __call__(self, inputs: Inputs) -> Taught:
        if self.network is None or self.hooks is None:
            assert self.answer is not None
            scores = self.answer(*(tensor.cpu() for tensor in inputs))
            return Taught(scores=torch.from_numpy(scores).to(inputs[0].device))
        # eval() at every call: whoever else holds the module may have called train() since.
        self.network.eval()
        kind = inputs[0].device.type
        with torch.no_grad(), torch.autocast(kind, enabled=False):
            scores_of_module = self.network(*inputs)
        return Taught(scores=scores_of_module.detach(), features=self.hooks.read())

    def close(self) -> None:
        """Take the hooks out of the network."""
        if self.hooks is not None:
            self.hooks.close()


def online(teacher: Teacher, *, taps: Sequence[Tap], device: torch.device) -> OnlineTeacher:
    """A teacher of a recipe in the loop. Raises InputError for stored outputs, and for taps on a
    teacher that is no torch module."""
    if teacher.by_id is not None:
        raise InputError(
            "stored outputs can't answer in the training loop",
            where="teacher",
            cure="write `reuse_teacher_outputs: true`, and a loss on outputs",
        )
    if teacher.module is not None:
        network = teacher.module.to(device).eval().requires_grad_(requires_grad=False)
        return OnlineTeacher(network=network, taps=taps)
    return OnlineTeacher(answer=teacher.answer, taps=taps)
