"""Gradients of several processes: each waits for one of every parameter, used in a step or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn


def reaching_all(
    loss: Tensor, parameters: Iterable[nn.Parameter]
) -> tuple[Tensor, tuple[nn.Parameter, ...]]:
    """The same loss, with a gradient of zero for the parameters that it does not depend on, and
    these: their gradient is to be dropped before a step, which would let their weights decay.

    A hint whose warm-up begins leaves its adapter out, a lone hint the student's head. That such
    outputs are unused is no news that torch could find in them: they are outputs of the network.
    """
    reached = _reached(loss)
    beside = tuple(p for p in parameters if p.requires_grad and id(p) not in reached)
    for parameter in beside:
        loss = loss + 0.0 * parameter.sum()
    return loss, beside


def _reached(loss: Tensor) -> set[int]:
    """The identities of the parameters that the loss depends on."""
    found: set[int] = set()
    seen: set[Any] = set()
    waiting: list[Any] = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):  # where the gradient of a leaf is added up
            found.add(id(node.variable))
        waiting += [following for following, _ in node.next_functions]
    return found
