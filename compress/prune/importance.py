"""How much each unit matters: by the size of its weights, by its gradient, or by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.errors import InputError
from compress.prune.units import Units

Importance = Literal["magnitude", "taylor", "random"]
Loss = Callable[[nn.Module], Tensor | Iterable[Tensor]]  # of a module; in parts: their sum


def scores_of(
    units: Units,
    module: nn.Module,
    *,
    by: Importance,
    count: int,
    loss: Loss | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """(count,) one score per label, that of a root counts; less is less important.

    magnitude: the L2 norm of all weights that go with the unit (Li et al. 2017, over the group as
    in DepGraph, Fang et al. 2023). taylor: |sum of weight times gradient of `loss`| (Molchanov et
    al. 2019). In a group, whose members touch the same tensors, the scores can be compared.
    """
    if by == "random":
        return np.random.default_rng(seed).random(count)
    tensors = dict(module.named_parameters(remove_duplicate=False))
    values: Mapping[str, Tensor]
    if by == "taylor":
        if loss is None:
            what = "needs a loss whose gradient is taken"
            raise InputError(what, where="importance: taylor", cure="give `loss`, or use magnitude")
        values = _slopes(module, tensors, loss)
    else:
        values = {name: tensor.detach().double().square() for name, tensor in tensors.items()}
    total = np.zeros(count)
    for name, axes in units.places.items():
        if name not in values:
            continue  # statistics of a norm
        for axis, roots in axes.items():
            value = values[name]
            others = [other for other in range(value.ndim) if other != axis]
            along = (value.sum(others) if others else value).numpy()
            np.add.at(total, roots, along)
    return np.abs(total) if by == "taylor" else np.sqrt(total)


def _slopes(module: nn.Module, tensors: Mapping[str, Tensor], loss: Loss) -> dict[str, Tensor]:
    wanted = [name for name, tensor in tensors.items() if tensor.is_floating_point()]
    total: dict[str, Tensor] = {}
    asked = [tensors[name].requires_grad for name in wanted]
    try:
        for name in wanted:
            tensors[name].requires_grad_(True)
        with torch.enable_grad():
            given = loss(module)
            for part in [given] if isinstance(given, Tensor) else given:
                gradients = torch.autograd.grad(
                    part, [tensors[name] for name in wanted], allow_unused=True
                )
                for name, gradient in zip(wanted, gradients, strict=True):
                    if gradient is not None:
                        total[name] = total[name] + gradient if name in total else gradient
    finally:
        for name, before in zip(wanted, asked, strict=True):
            tensors[name].requires_grad_(before)
    return {name: (tensors[name].detach() * slope).double() for name, slope in total.items()}
