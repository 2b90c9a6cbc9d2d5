"""From a student node of the recipe to an untrained torch module."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from compress.errors import InputError
from compress.recipe.nodes import PythonStudent
from compress.recipe.targets import load_target


def build_student(node: PythonStudent, *, folder: Path, seed: int) -> nn.Module:
    """The module with its initial weights, which depend on `seed` alone.

    Raises InputError when the target is missing or gives something else than a module.
    """
    factory = load_target(node.target, folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = factory()
    if not isinstance(module, nn.Module):
        raise InputError(
            f"`{node.target}` returned {type(module).__name__}, not a torch.nn.Module",
            where="student.target",
            cure="return the module itself from the factory",
        )
    return module
