"""What a search is held over for a task, and what it can't work with."""

from __future__ import annotations

from dataclasses import replace

from compress.errors import InputError
from compress.pipeline.context import Context
from compress.pipeline.limits import judged_before_training
from compress.pipeline.stages.screening import schemes_of
from compress.recipe.loss_nodes import AutoLoss
from compress.recipe.nodes import AutoStudent, QatQuantize
from compress.search.space import Space, space_for
from compress.students.factories.make import families_for


def check_search(context: Context) -> None:
    """What a search can't work with is said before anything starts."""
    recipe = context.recipe
    if isinstance(recipe.distill.loss, AutoLoss):
        raise InputError(
            "a search for a student and one for a loss can't be held at once",
            where="distill.loss",
            cure="name a loss, such as `kd`; `distil advise` finds one for a student",
        )
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
            cure="write one on latency.p50 or file_bytes",
        )
    space_of(context)


def space_of(context: Context) -> Space:
    """What is searched for a task. InputError where a family does not take its inputs."""
    node, task = context.recipe.student, context.task
    assert isinstance(node, AutoStudent)
    schemes = schemes_of(context)
    shape = task.train.inputs.shape[1:]
    if task.padding is not None:
        space = space_for("texts", schemes=schemes)
    elif len(shape) == 3:
        space = space_for("images", side=min(shape[1:]), schemes=schemes)
    else:
        space = space_for("series" if len(shape) == 2 else "rows", schemes=schemes)
    if node.families is None:
        return space
    fitting = families_for(task)
    if wrong := [name for name in node.families if name not in fitting]:
        raise InputError(
            f"{wrong[0]} can't take the inputs of {task.name}",
            where="student.families",
            cure=f"use {' or '.join(fitting)}",
        )
    kept = tuple(one for one in space.structures if one.family in node.families)
    if not kept:  # a family that is no first choice here, such as perceptrons for images
        kept = space_for("rows", schemes=schemes).structures
    return replace(space, structures=kept)
