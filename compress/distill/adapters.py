"""Projections of student features to the teacher's width: trained beside the student, then dropped.

FitNets (Romero et al., 2015) project the student and not the teacher, so that the signal keeps the
teacher's own space.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compress.errors import InputError
from compress.recipe.loss_needs import Tap


def make_adapter(tap: Tap, student: Tensor, teacher: Tensor, *, seed: int) -> nn.Module:
    """A 1x1 convolution for (batch, channels, height, width), a linear layer over the last axis
    otherwise, as of what one-dimensional convolutions give (distill.taps turns it); nothing where
    the tap asks for none or the widths are equal.

    student, teacher: one example of the features of each side. Raises InputError where their ranks
    differ, so that no projection could make them alike.
    """
    if not tap.adapted:
        return nn.Identity()
    if student.ndim != teacher.ndim or student.ndim < 2:
        raise InputError(
            f"student features of `{tap.student}` have shape {_shape(student)} per sample, those "
            f"of the teacher's `{tap.teacher}` {_shape(teacher)}",
            where="distill.loss.layers",
            cure="name layers of the same kind on both sides",
        )
    axis = 1 if student.ndim == 4 else -1
    own, wanted = student.shape[axis], teacher.shape[axis]
    if own == wanted:
        return nn.Identity()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if student.ndim == 4:
            return nn.Conv2d(own, wanted, kernel_size=1, bias=False)
        return nn.Linear(own, wanted, bias=False)


def make_projection(outputs: Tensor, width: int, *, seed: int) -> nn.Module:
    """From the student's outputs, (batch, own width), to as many numbers as the teacher gives."""
    own = outputs.shape[-1]
    if own == width:
        return nn.Identity()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(own, width, bias=False)


def _shape(features: Tensor) -> tuple[int, ...]:
    return tuple(features.shape[1:])
