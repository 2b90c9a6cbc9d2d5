"""Averaged weights, and the BatchNorm statistics that go with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from compress.tasks.views import Inputs


def average_into(averaged: nn.Module, model: nn.Module, *, decay: float, step: int) -> None:
    """averaged <- decay * averaged + (1 - decay) * model, over parameters.

    Early on the decay is smaller, (1 + step) / (10 + step), so that the first weights are
    forgotten. step: 1-based.
    """
    current = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        torch._foreach_lerp_(list(averaged.parameters()), list(model.parameters()), 1.0 - current)


def average_buffers(averaged: nn.Module, model: nn.Module, *, decay: float, step: int) -> None:
    """The same for floating buffers, so that averaged weights can answer before the epoch ends."""
    current = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for own, other in zip(averaged.buffers(), model.buffers(), strict=True):
            if own.is_floating_point():
                own.lerp_(other, 1.0 - current)
            else:
                own.copy_(other)


def reestimate_batch_norm(
    model: nn.Module,
    batches: Iterable[Inputs],
    *,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Replace running statistics by the plain mean over `batches`, in place.

    Averaged weights never saw a forward pass of their own, so the statistics that they carry
    belong to other weights (Izmailov et al., 2018). between: called between batches.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # None: cumulative mean
    # Only BatchNorm leaves eval mode: dropout must not disturb what is measured.
    model.eval()
    for norm in norms:
        norm.train()
    try:
        with torch.no_grad():
            for index, batch in enumerate(batches):
                if index:
                    between()
                model(*batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(was_training)
