"""What a student must be before hours are spent on it: logits of the task's classes, both modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from compress.errors import InputError
from compress.recipe.nodes import PythonStudent
from compress.recipe.targets import failed_line
from compress.students.build import build_student
from compress.tasks.data import Task


def checked_student(
    node: PythonStudent, task: Task, *, folder: Path, seed: int
) -> tuple[nn.Module, torch.Tensor]:
    """The untrained student in eval mode, and two samples of the task that it has answered.

    Raises InputError when it does not take the task's inputs, or gives something else than
    (batch, classes) logits, in evaluation or, as networks with side outputs do, in training mode.
    """
    samples = torch.from_numpy(task.prepare(task.train.inputs[:2]))
    used = build_student(node, folder=folder, seed=seed)  # training mode changes its statistics
    for mode in ("evaluation", "training"):
        used.train(mode == "training")
        _check_answer(_answer(used, samples, folder), samples, task, mode)
    return build_student(node, folder=folder, seed=seed).eval(), samples


def _answer(module: nn.Module, samples: torch.Tensor, folder: Path) -> Any:  # Any: that is checked
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return module(samples)
    except MemoryError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        said = f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}"
        raise InputError(
            f"{said} (while the student was given inputs of shape {tuple(samples.shape)})",
            where=failed_line(error, folder) or "student.target",
            cure="make it take the task's inputs: (batch, ...) float32",
        ) from error


def _check_answer(scores: Any, samples: torch.Tensor, task: Task, mode: str) -> None:
    classes = len(task.classes)
    if not isinstance(scores, torch.Tensor):
        raise InputError(
            f"in {mode} mode the student returns a {type(scores).__name__}, not a tensor",
            where="student.target",
            cure="return the logits alone",
        )
    if tuple(scores.shape) != (len(samples), classes):
        raise InputError(
            f"in {mode} mode the student gives an output of shape {tuple(scores.shape)} for "
            f"{len(samples)} samples, and the task has {classes} classes",
            where="student.target",
            cure=f"return (batch, {classes}) logits",
        )
    if not scores.is_floating_point():
        raise InputError(
            f"the student's outputs are {str(scores.dtype).removeprefix('torch.')}",
            where="student.target",
            cure="return floating-point logits, not classes",
        )
