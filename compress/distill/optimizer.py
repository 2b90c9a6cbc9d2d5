"""The optimiser: SGD with Nesterov momentum or AdamW, weight decay for matrices and kernels."""

from __future__ import annotations

from typing import Any, Literal, assert_never

import torch
from torch import nn

MOMENTUM = 0.9
OptimizerName = Literal["sgd", "adamw"]


def make_optimizer(
    model: nn.Module, *, learning_rate: float, weight_decay: float, name: OptimizerName = "sgd"
) -> torch.optim.Optimizer:
    """Over all parameters of `model`, adapters included where it holds some.

    AdamW (Loshchilov and Hutter, 2019) is what transformers are trained with. Fused: one pass over
    memory where the plain loop takes a dozen (benchmarks/suites/test_optimizer_step.py).
    """
    groups = _decay_groups(model, weight_decay)
    match name:
        case "sgd":
            return torch.optim.SGD(groups, lr=learning_rate, momentum=MOMENTUM, nesterov=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=learning_rate, fused=True)
        case _:
            assert_never(name)


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
