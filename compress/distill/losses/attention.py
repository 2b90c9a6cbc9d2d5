"""Attention transfer: a hint that needs no adapter (Zagoruyko and Komodakis, 2017)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from compress.distill.losses.maps import same_map_size
from compress.distill.losses.norms import length, unit
from compress.distill.losses.wide import in_float32
from compress.errors import InputError

STABLE = 1e-6


@in_float32
def attention(
    student: Tensor,
    teacher: Tensor,
    *,
    power: float = 2.0,
    form: Literal["code", "paper"] = "code",
    epsilon: float = STABLE,
) -> Tensor:
    """Distance of the normalised maps mean over channels |f|^power -> scalar.

    student, teacher: (batch, channels, height, width) with any two channel counts; the larger
    map is average-pooled to the size of the smaller. `code`: mean over all elements of the
    squared difference, as the authors' code has it. `paper`: mean over samples of the L2 norm
    of the difference (equation 2). A map's norm counts as at least `epsilon`: the authors have
    1e-12, where the gradient of a nearly empty map has no bound. No gradient reaches the teacher.
    """
    if student.ndim != 4 or teacher.ndim != 4:
        raise InputError(
            "attention transfer compares maps (batch, channels, height, width), and got shapes "
            f"{tuple(student.shape)} and {tuple(teacher.shape)}",
            where="distill.loss",
            cure="name convolutional layers, or use `kind: hint`",
        )
    student, teacher = same_map_size(student, teacher.detach())
    difference = _attention_map(student, power, epsilon) - _attention_map(teacher, power, epsilon)
    if form == "code":
        return difference.square().mean()
    return length(difference).mean()


def _attention_map(features: Tensor, power: float, epsilon: float) -> Tensor:
    return unit(features.abs().pow(power).mean(dim=1).flatten(1), epsilon=epsilon)
