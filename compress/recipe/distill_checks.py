"""What `distill` must agree on with the rest of a recipe."""

from __future__ import annotations

from collections.abc import Iterator

from compress.recipe.document import KeyPath
from compress.recipe.loss_needs import (
    needs_class_index,
    needs_teacher,
    needs_whole_batch,
    taps_of,
)
from compress.recipe.nodes import Recipe, SeveralTeacher, TeacherNode
from compress.recipe.teaching import asks_online

SHOWS_LAYERS = ("torch", "python", "transformers")


def _is_stored(teacher: TeacherNode) -> bool:
    if isinstance(teacher, SeveralTeacher):
        return any(one.kind == "outputs" for one in teacher.of)
    return teacher.kind == "outputs"


def distill_problems(recipe: Recipe) -> Iterator[tuple[KeyPath, str, str]]:
    """Where, what, cure."""
    node, teacher = recipe.distill, recipe.teacher
    kind = node.loss.kind
    if node.teach_by == "average":
        if node.average == 0:
            yield (
                ("distill", "teach_by"),
                "the averaged weights can't teach: there are none",
                "write `average: 0.999`",
            )
    elif needs_teacher(node.loss) and teacher is None:
        cure = "write `teacher:`, `loss: {kind: labels}`, or `teach_by: average`"
        yield ("distill", "loss", "kind"), f"{kind} needs a teacher", cure
    elif teacher is not None and taps_of(node.loss) and teacher.kind not in SHOWS_LAYERS:
        yield (
            ("distill", "loss", "kind"),
            f"{kind} compares inner layers, and a teacher of kind {teacher.kind} shows none",
            f"use a teacher of kind {', '.join(SHOWS_LAYERS)}, or a loss on outputs",
        )
    elif teacher is not None and asks_online(node) and _is_stored(teacher):
        yield (
            ("distill", "reuse_teacher_outputs"),
            "stored outputs can't answer in the training loop",
            "write `reuse_teacher_outputs: true`",
        )
    if node.mixup is not None:
        indexed = needs_class_index(node.loss)
        if indexed is not None:
            yield (
                ("distill", "mixup"),
                f"{indexed} splits off the class of each sample, and a mixture has none",
                "use kd or dist, or remove `mixup`",
            )
        if recipe.task.kind == "text-table":
            yield ("distill", "mixup"), "tokens can't be mixed", "remove `mixup`"
    if node.precision == "float16" and node.device == "cpu":
        yield (
            ("distill", "precision"),
            "float16 trains on CUDA alone",
            "write `device: cuda`, or `precision: bfloat16`",
        )
    related = needs_whole_batch(node.loss)
    if node.accumulate > 1 and related is not None:
        yield (
            ("distill", "accumulate"),
            f"{related} compares the samples of a batch with each other, and its parts lack those "
            "of other parts",
            "remove `accumulate` and lower `batch`, or use kd",
        )
    if node.processes > 1 and related is not None:
        yield (
            ("distill", "processes"),
            f"{related} compares the samples of a batch with each other, and each process lacks "
            "those of the others",
            "remove `processes`, or use kd",
        )
    if node.processes * node.accumulate > node.batch:
        yield (
            ("distill", "accumulate"),
            f"{node.processes} processes x {node.accumulate} parts leave nothing of a batch of "
            f"{node.batch}",
            "lower it, or raise `batch`",
        )
