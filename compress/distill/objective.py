"""From a loss node of the recipe to the function that a training step minimises."""

from __future__ import annotations

from typing import Protocol, assert_never

from torch import Tensor

from compress.distill.losses.kd import kd
from compress.distill.losses.labels import labels
from compress.errors import InputError
from compress.recipe.nodes import KdLoss, LabelsLoss, LossNode


class Objective(Protocol):
    """student: (batch, classes) logits; target: (batch,) labels; teacher: logits or None."""

    def __call__(self, student: Tensor, target: Tensor, teacher: Tensor | None) -> Tensor: ...


def needs_teacher(node: LossNode) -> bool:
    """Whether the loss reads teacher outputs."""
    return isinstance(node, KdLoss)


def build_objective(node: LossNode) -> Objective:
    """The loss of a recipe. Raises InputError in the step when teacher outputs are missing."""
    match node:
        case KdLoss():
            return _hinton(node)
        case LabelsLoss():
            return _labels(node)
        case _:
            assert_never(node)


def _hinton(node: KdLoss) -> Objective:
    def objective(student: Tensor, target: Tensor, teacher: Tensor | None) -> Tensor:
        if teacher is None:
            raise InputError(
                "loss `kd` needs a teacher",
                where="distill.loss",
                cure="add `teacher:` to the recipe or use `loss: {kind: labels}`",
            )
        soft = kd(student, teacher, temperature=node.temperature)
        if node.weight == 1.0:
            return soft
        return node.weight * soft + (1.0 - node.weight) * labels(student, target)

    return objective


def _labels(node: LabelsLoss) -> Objective:
    def objective(student: Tensor, target: Tensor, teacher: Tensor | None) -> Tensor:
        return labels(student, target, smoothing=node.smoothing)

    return objective
