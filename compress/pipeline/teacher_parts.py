"""What a search can make of the teacher itself."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import Tensor, nn

from compress.errors import InputError
from compress.pipeline.context import Context
from compress.prune.api import prune
from compress.prune.layers import find_stacks
from compress.recipe.inherited_nodes import SOURCES
from compress.search.inherited import BLOCK, InheritedStructure, inherited_structures
from compress.search.shapes import operators_of
from compress.tasks.views import as_inputs
from compress.teachers.build import build_teacher

_TRACED = 2  # samples
_TRIED = 0.5  # of the channels: a network that can't be cut says so at any size


def has_parts(context: Context) -> bool:
    """Whether the teacher is of a kind that has layers; loads nothing."""
    teacher = context.recipe.teacher
    return teacher is not None and teacher.kind in SOURCES


def teacher_parts(context: Context) -> tuple[InheritedStructure, ...]:
    """Parts of the teacher as structures; none where it has no layers, or none that can be cut."""
    node, task = context.recipe.teacher, context.task
    if node is None or not has_parts(context):
        return ()
    made = build_teacher(
        node, folder=context.folder, threads=context.threads, classes=len(task.classes)
    )
    if made.module is None:  # a function that answers batches
        return ()
    example = as_inputs(task, task.train.inputs[:_TRACED])
    stacks = find_stacks(made.module, example)
    one = as_inputs(task, task.train.inputs[:1])
    return inherited_structures(
        operators_of(copy.deepcopy(made.module), one),
        blocks=sum(stack.length for stack in stacks),
        least=sum(stack.least for stack in stacks),
        prunable=can_be_narrower(made.module, example),
    )


def can_be_narrower(module: nn.Module, example: Sequence[Tensor]) -> bool:
    """Whether layers of it can be cut in blocks of channels as the search cuts them."""
    try:
        prune(module, example, ratio=_TRIED, round_to=BLOCK)
    except InputError:  # it names an operator that is in the way; the families are still there
        return False
    return True
