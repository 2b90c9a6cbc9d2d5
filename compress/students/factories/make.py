"""From a node of `kind: factory` to the module that fits a task."""

from __future__ import annotations

import math
from typing import assert_never

from torch import nn

from compress.errors import InputError
from compress.recipe.student_nodes import FactoryStudent, Family
from compress.students.factories.features import Perceptron, SequenceNet
from compress.students.factories.images import ImageNet
from compress.students.factories.texts import text_convolution, text_encoder
from compress.tasks.data import Task

VERSION = 2  # of the families: raise it when one changes


def families_for(task: Task) -> tuple[Family, ...]:
    """The families that take the task's inputs, the most usual first."""
    if task.padding is not None:
        return ("encoder", "convolution")
    match task.train.inputs.ndim:
        case 4:
            return ("residual", "depthwise", "perceptron")
        case 3:
            return ("sequence", "perceptron")
        case _:
            return ("perceptron",)


def make(node: FactoryStudent, task: Task) -> nn.Module:
    """The module with weights drawn from torch's generator. InputError where it can't take the
    task's inputs, or where a key has no meaning in its family."""
    _check(node, task)
    shape, classes = task.train.inputs.shape[1:], len(task.classes)
    match node.name:
        case "residual" | "depthwise":
            return ImageNet(
                node.name,
                channels=shape[0],
                classes=classes,
                widths=node.widths,
                depth=node.depth,
                stem=node.stem or node.widths[0],
                stride=node.stride,
            )
        case "encoder":
            return text_encoder(task, width=node.widths[0], depth=node.depth)
        case "convolution":
            return text_convolution(task, widths=node.widths, depth=node.depth)
        case "perceptron":
            return Perceptron(
                inputs=math.prod(shape), classes=classes, widths=node.widths, depth=node.depth
            )
        case "sequence":
            return SequenceNet(
                channels=shape[0], classes=classes, widths=node.widths, depth=node.depth
            )
        case _ as never:
            assert_never(never)


def _check(node: FactoryStudent, task: Task) -> None:
    fitting = families_for(task)
    if node.name not in fitting:
        raise InputError(
            f"{node.name} can't take the inputs of {task.name}",
            where="student.name",
            cure=f"use {' or '.join(fitting)}",
        )
    images = node.name in ("residual", "depthwise")
    if not images and (node.stem is not None or node.stride != 1):
        key = "stride" if node.stem is None else "stem"
        raise InputError(
            f"{node.name} has no first convolution over images",
            where=f"student.{key}",
            cure="remove it",
        )
    if node.name == "encoder" and len(node.widths) > 1:
        raise InputError(
            f"an encoder has one width, and {len(node.widths)} are given",
            where="student.widths",
            cure="write one; `depth` is the number of layers",
        )
    if images:
        shrinks = len(node.widths) - 1 + {1: 0, 2: 1, 4: 2}[node.stride]
        side = min(task.train.inputs.shape[2:])
        if side < 1 << shrinks:
            raise InputError(
                f"{shrinks} halvings leave nothing of {side} pixels",
                where="student.widths",
                cure="write fewer widths, or a smaller stride",
            )
