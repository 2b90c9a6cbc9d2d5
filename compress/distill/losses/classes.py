"""The scores of a sample's own class and those of all others, apart."""

from __future__ import annotations

import torch
from torch import Tensor

from compress.errors import InputError


def check_class_index(target: Tensor, *, kind: str) -> None:
    """Raises InputError where targets are probabilities: there is no one class to split off."""
    if target.is_floating_point() or target.ndim != 1:
        raise InputError(
            f"`{kind}` splits off the class of each sample, and mixed or soft labels have none",
            where="distill.loss",
            cure="use kd or dist, or train without mixup",
        )


def of_class(scores: Tensor, target: Tensor) -> Tensor:
    """(batch, classes), (batch,) -> (batch,)."""
    return scores.gather(1, target[:, None]).squeeze(1)


def of_others(scores: Tensor, target: Tensor) -> Tensor:
    """(batch, classes), (batch,) -> (batch, classes - 1): truly without the class, not at -1000."""
    columns = torch.arange(scores.shape[1] - 1, device=scores.device)[None, :]
    return scores.gather(1, columns + (columns >= target[:, None]).long())
