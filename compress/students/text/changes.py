"""Weights as the difference to a published model: only the tensors that a tuning changed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from compress.errors import InputError
from exporters.weights import load_weights, save_weights


def save_changes(base: nn.Module, tuned: nn.Module, path: Path) -> tuple[str, ...]:
    """Write, in float16, each tensor of tuned that differs from base; their names."""
    before, after = base.state_dict(), tuned.state_dict()
    names = [name for name, tensor in after.items() if not torch.equal(tensor, before[name])]
    changed = {name: after[name].half() for name in names}
    save_weights(path, changed)
    return tuple(names)


def apply_changes(module: nn.Module, path: Path) -> None:
    """Put the stored tensors in their places, in place. InputError for one that doesn't fit."""
    state = module.state_dict()
    for name, tensor in load_weights(path).items():
        if name not in state or state[name].shape != tensor.shape:
            raise InputError(f"{name!a} has no place in the model", where=str(path))
        state[name].copy_(tensor)
