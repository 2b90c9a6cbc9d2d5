"""A torch module as a teacher: no gradients, and eval mode whatever its own code does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.errors import DistilError, InputError
from compress.recipe.targets import failed_line
from compress.teachers.scores import LogitsOf
from compress.teachers.teacher import Teacher


def module_teacher(
    module: nn.Module,
    *,
    name: str,
    digest: str,
    folder: Path | None = None,
    probabilities: bool = False,
    classes: tuple[str, ...] | None = None,
) -> Teacher:
    """A teacher that answers from a module. folder: the user's, for the line of what it raises.

    Raises InputError in an answer when forward fails, gives no tensor, or leaves a layer in
    training mode, where dropout and batch statistics would make the answers another model's.
    """
    if probabilities:
        module = LogitsOf(module)
    module.eval().requires_grad_(requires_grad=False)

    def answer(*inputs: Tensor) -> NDArray[np.float32]:
        # eval() again: whoever holds the module may have put it in training mode since.
        module.eval()
        with torch.no_grad():
            scores = _forward(module, inputs, folder)
        _check_frozen(module)
        array: NDArray[np.float32] = scores.detach().float().cpu().numpy()
        return array

    return Teacher(
        name=name, digest=digest, answer=answer, module=module, onnx_path=None, classes=classes
    )


def module_of(factory: Callable[[], Any], target: str) -> nn.Module:
    """What a factory gives. Raises InputError unless it is a module."""
    module = factory()
    if not isinstance(module, nn.Module):
        raise InputError(
            f"`{target}` returned {type(module).__name__}, not a torch.nn.Module",
            where="teacher.target",
            cure="return the module itself from the factory, or name a function of a batch",
        )
    return module


def _forward(module: nn.Module, inputs: tuple[Tensor, ...], folder: Path | None) -> Tensor:
    first = next(module.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    try:
        scores: Any = module(*(tensor.to(device) for tensor in inputs))
    except (DistilError, MemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        given = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
        raise InputError(
            f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'} (while the "
            f"teacher was given {given})",
            where=failed_line(error, folder) or "teacher.target",
            cure="make it take the task's inputs, in this order",
        ) from error
    if not isinstance(scores, Tensor):
        raise InputError(
            f"the teacher returns a {type(scores).__name__}, not a tensor",
            where="teacher.target",
            cure="return the logits alone",
        )
    return scores


def _check_frozen(module: nn.Module) -> None:
    for name, part in module.named_modules():
        if part.training:
            raise InputError(
                f"the teacher's forward puts {name or type(part).__name__} in training mode",
                where="teacher.target",
                cure="remove .train() from its forward: a teacher stays in eval mode",
            )
