"""What a search is held over for a task, and what it can't work with."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from compress.errors import InputError
from compress.pipeline.context import Context
from compress.pipeline.limits import judged_before_training
from compress.pipeline.stages.losses import race_seconds
from compress.pipeline.stages.schemes import schemes_of
from compress.pipeline.teacher_parts import has_parts, teacher_parts
from compress.recipe.loss_nodes import AutoLoss
from compress.recipe.nodes import AutoStudent, QatQuantize
from compress.search.inherited import Part
from compress.search.space import Kind, Space, space_for
from compress.students.factories.make import families_for

_PARTS = get_args(Part)


def check_search(context: Context) -> None:
    """What a search can't work with is said before anything starts."""
    recipe = context.recipe
    if isinstance(recipe.distill.loss, AutoLoss):
        race_seconds(recipe, recipe.distill.loss)
    if isinstance(recipe.quantize, QatQuantize):
        raise InputError(
            "the pilots of a search are too short to be trained again with their rounding",
            where="quantize.kind",
            cure="write `kind: auto`",
        )
    if context.task.outputs == "embeddings":
        raise InputError(
            "a search ranks students by accuracy, and this task gives embeddings",
            where="student.kind",
            cure="name a student of your own, `kind: python`",
        )
    if not any(map(judged_before_training, recipe.budgets)):
        raise InputError(
            "no budget of level error limits speed or size, and so the largest student is best",
            where="budgets",
            cure="write one on latency.p50, file_bytes or memory.peak_rss",
        )
    _check_families(context)


def space_of(context: Context) -> Space:
    """What is searched for a task. InputError where only parts of a teacher are wanted that can't
    be cut; loads the teacher for its parts."""
    node, task = context.recipe.student, context.task
    assert isinstance(node, AutoStudent)
    schemes, wanted = schemes_of(context), node.families
    parts = teacher_parts(context) if wanted is None or set(wanted) & set(_PARTS) else ()
    shape = task.train.inputs.shape[1:]
    if task.padding is not None:
        space = space_for("texts", schemes=schemes, inherited=parts)
    elif len(shape) == 3:
        space = space_for("images", side=min(shape[1:]), schemes=schemes, inherited=parts)
    else:
        kind: Kind = "series" if len(shape) == 2 else "rows"
        space = space_for(kind, schemes=schemes, inherited=parts)
    if wanted is None:
        return space
    pool = dict.fromkeys((*space.structures, *space_for("rows", schemes=schemes).structures))
    kept = tuple(one for one in pool if one.family in wanted)  # perceptrons fit whatever is flat
    if not kept:
        raise InputError(
            "the teacher has no blocks to leave out, and its layers can't be made narrower",
            where="student.families",
            cure=f"use {' or '.join(families_for(task))}",
        )
    return replace(space, structures=kept)


def _check_families(context: Context) -> None:
    node, task = context.recipe.student, context.task
    assert isinstance(node, AutoStudent)
    fitting = (*families_for(task), *(_PARTS if has_parts(context) else ()))
    for name in node.families or ():
        if name in fitting:
            continue
        what = f"{name} can't take the inputs of {task.name}"
        if name in _PARTS:
            what = f"the teacher has no layers, and a {name} student is a part of it"
        raise InputError(what, where="student.families", cure=f"use {' or '.join(fitting)}")
