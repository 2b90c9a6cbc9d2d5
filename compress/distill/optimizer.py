"""The optimiser: SGD with Nesterov momentum, weight decay for matrices and kernels alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

MOMENTUM = 0.9


def make_optimizer(
    model: nn.Module, *, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Over all parameters of `model`, adapters included where it holds some."""
    return torch.optim.SGD(
        _decay_groups(model, weight_decay), lr=learning_rate, momentum=MOMENTUM, nesterov=True
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and norms."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
