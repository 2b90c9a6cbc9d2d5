"""At least float32 for the arithmetic of a loss, whatever autocast and the inputs say."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeGuard

import torch
from torch import Tensor

P = ParamSpec("P")


def in_float32(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """The same loss with every floating tensor in float32, or in float64 where the first is.

    Autocast is off inside: it would run the products of a relation in bfloat16 even on float32
    inputs. Half precision loses the small probabilities that carry the signal, and an epsilon
    of 1e-8 is zero in float16.
    """

    @functools.wraps(loss)
    def widened(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        first = next(value for value in (*args, *kwargs.values()) if _floating(value))
        dtype = torch.float64 if first.dtype == torch.float64 else torch.float32
        values: Any = [value.to(dtype) if _floating(value) else value for value in args]
        named: Any = {k: v.to(dtype) if _floating(v) else v for k, v in kwargs.items()}
        with torch.autocast(device_type=first.device.type, enabled=False):
            return loss(*values, **named)

    return widened


def _floating(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.is_floating_point()
