"""Relational knowledge distillation (Park et al., 2019)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from compress.distill.losses.norms import FLOOR, unit
from compress.distill.losses.wide import in_float32


@in_float32
def rkd(
    student: Tensor,
    teacher: Tensor,
    *,
    distance: float = 25.0,
    angle: float = 50.0,
    floor: float = FLOOR,
) -> Tensor:
    """distance * D + angle * A -> scalar.

    student, teacher: (batch, ...) features of any two widths, flattened. D is the smooth L1
    distance of the pairwise L2 distances, each side's by the mean of those that are not zero; A
    the same of the cosines of the angles at every triple, batch^3 of them: 8 MB at a batch of
    128, 537 MB at 512. A mean distance and a difference count as at least `floor` long, which
    bounds the gradient of features that coincide; the authors have 1e-12. No gradient reaches
    the teacher. A batch of one gives 0.
    """
    own, other = student.flatten(1), teacher.detach().flatten(1)
    loss = own.sum() * 0.0
    if distance:
        apart = functional.smooth_l1_loss(_distances(own, floor), _distances(other, floor))
        loss = loss + distance * apart
    if angle:
        loss = loss + angle * functional.smooth_l1_loss(_angles(own, floor), _angles(other, floor))
    return loss


def _distances(features: Tensor, floor: float) -> Tensor:
    # By differences: by products, distances of near neighbours lose half their digits.
    mode = "donot_use_mm_for_euclid_dist"
    found = torch.cdist(features, features, compute_mode=mode)
    mean = found.sum() / (found > 0).sum().clamp(min=1)
    return found / mean.clamp(min=floor)


def _angles(features: Tensor, floor: float) -> Tensor:
    directions = unit(features[None, :, :] - features[:, None, :], epsilon=floor)
    return directions @ directions.transpose(1, 2)
