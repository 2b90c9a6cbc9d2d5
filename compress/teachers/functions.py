"""A user's function as a teacher: a factory of a module, or the answers themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.errors import InputError
from compress.teachers.scores import logits_of
from compress.teachers.teacher import Teacher


def takes_a_batch(function: Callable[..., Any]) -> bool:
    """Whether it needs an argument: then it answers batches, and is no factory."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    )


def function_teacher(
    function: Callable[..., Any], *, name: str, digest: str, probabilities: bool
) -> Teacher:
    """A black box. function: numpy arrays (batch, ...), one per input of the task -> (batch,
    classes) scores, as numpy or torch. Raises InputError in an answer that is something else.
    """

    def answer(*inputs: Tensor) -> NDArray[np.float32]:
        with torch.no_grad():
            given = (np.ascontiguousarray(tensor.cpu().numpy()) for tensor in inputs)
            scores = function(*given)
        if isinstance(scores, Tensor):
            scores = scores.detach().float().cpu().numpy()
        if not isinstance(scores, np.ndarray) or scores.dtype.kind != "f":
            found = getattr(scores, "dtype", type(scores).__name__)
            raise InputError(
                f"the teacher returns {found}, not an array of floating-point scores",
                where=f"target {name}",
                cure="return one score per class for each sample",
            )
        return logits_of(scores) if probabilities else scores.astype(np.float32, copy=False)

    return Teacher(name=name, digest=digest, answer=answer, module=None, onnx_path=None)
