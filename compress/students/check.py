"""What a student must be before hours are spent on it: logits of the task's classes, both modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from compress.errors import InputError
from compress.recipe.student_nodes import BuiltStudent
from compress.recipe.targets import failed_line
from compress.students.build import build_student
from compress.tasks.data import Task
from compress.tasks.views import Inputs, as_inputs


def checked_student(
    node: BuiltStudent, task: Task, *, folder: Path, seed: int
) -> tuple[nn.Module, Inputs]:
    """The untrained student in eval mode, and two samples of the task that it has answered.

    Raises InputError when it does not take the task's inputs, or gives something else than
    (batch, classes) logits, in evaluation or, as networks with side outputs do, in training mode.
    """
    samples = as_inputs(task, task.train.inputs[:2])
    used = build_student(
        node, folder=folder, seed=seed, task=task
    )  # training mode changes its statistics
    for mode in ("evaluation", "training"):
        used.train(mode == "training")
        _check_answer(_answer(used, samples, task, folder), len(samples[0]), task, mode)
    return build_student(node, folder=folder, seed=seed, task=task).eval(), samples


def _answer(module: nn.Module, samples: Inputs, task: Task, folder: Path) -> Any:  # Any: checked
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return module(*samples)
    except MemoryError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        said = f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}"
        raise InputError(
            f"{said} (while the student was given {_given(samples, task)})",
            where=failed_line(error, folder) or "student.target",
            cure="make it take the task's inputs, in this order",
        ) from error


def _given(samples: Inputs, task: Task) -> str:
    """ "images (2, 1, 28, 28) float32"."""
    return ", ".join(
        f"{name} {tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
        for name, tensor in zip(task.input_names, samples, strict=True)
    )


def _check_answer(scores: Any, samples: int, task: Task, mode: str) -> None:
    classes = task.width
    if not isinstance(scores, torch.Tensor):
        raise InputError(
            f"in {mode} mode the student returns a {type(scores).__name__}, not a tensor",
            where="student.target",
            cure="return the logits alone",
        )
    if classes is None and (scores.ndim != 2 or len(scores) != samples or scores.shape[1] < 2):
        raise InputError(
            f"in {mode} mode the student gives an output of shape {tuple(scores.shape)} for "
            f"{samples} samples, and embeddings are (batch, width)",
            where="student.target",
            cure="pool over tokens or places, so that each sample has two numbers or more",
        )
    if classes is not None and tuple(scores.shape) != (samples, classes):
        raise InputError(
            f"in {mode} mode the student gives an output of shape {tuple(scores.shape)} for "
            f"{samples} samples, and the task has {classes} classes",
            where="student.target",
            cure=f"return (batch, {classes}) logits",
        )
    if not scores.is_floating_point():
        raise InputError(
            f"the student's outputs are {str(scores.dtype).removeprefix('torch.')}",
            where="student.target",
            cure="return floating-point logits, not classes",
        )
