"""Rounding that lets gradients through: what QuantizeLinear and DequantizeLinear do, trainable."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def fake_quantize(values: Tensor, scale: Tensor, *, low: int, high: int) -> Tensor:
    """scale * clamp(round(values / scale), low, high), halves to even, as onnxruntime rounds.

    scale: positive, broadcastable to values; low, high: the range of the integers less their zero
    point. Gradients: to values where nothing is cut off (straight through), to scale as of learned
    step sizes (Esser et al., 2020, equation 3), divided by sqrt(values per scale * high).
    """
    function: Any = _FakeQuantize  # torch types not its `apply`
    rounded: Tensor = function.apply(values, scale, low, high)
    return rounded


def integers(values: Tensor, scale: Tensor, *, low: int, high: int) -> Tensor:
    """The integers behind it, less their zero point, in float32."""
    return (values / scale).round_().clamp_(low, high)


class _FakeQuantize(torch.autograd.Function):
    """One node of the graph: as separate operations it would keep five tensors for backward."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
        ctx.save_for_backward(values, scale)
        ctx.low, ctx.high = low, high
        return integers(values, scale, low=low, high=high).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        values, scale = ctx.saved_tensors
        steps = values / scale
        rounded = steps.round()
        inside = (rounded >= ctx.low) & (rounded <= ctx.high)
        to_values = gradient * inside if ctx.needs_input_grad[0] else None
        to_scale = None
        if ctx.needs_input_grad[1]:
            slope = torch.where(inside, rounded - steps, rounded.clamp(ctx.low, ctx.high))
            per_scale = values.numel() / scale.numel()
            share = float(per_scale * max(1, ctx.high)) ** -0.5
            to_scale = (gradient * slope).sum_to_size(scale.shape) * share
        return to_values, to_scale, None, None
