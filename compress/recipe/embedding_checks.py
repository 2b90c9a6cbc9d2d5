"""What a task of embeddings must agree on with the rest of a recipe."""

from __future__ import annotations

from collections.abc import Iterator

from compress.recipe.document import KeyPath
from compress.recipe.inherited_nodes import PrunedStudent
from compress.recipe.loss_needs import terms_of
from compress.recipe.loss_nodes import AutoLoss, LossNode, RegressionLoss
from compress.recipe.nodes import Controls, Recipe

FITTING = ("embedding", "regression", "pkt", "rkd", "relations", "hint", "attention")
OF_CLASSES = (
    "accuracy",
    "agreement",
    "negative_flip_rate",
    "parity.top1_agreement",
    "macro_f1",
    "worst_class_accuracy",
    "nll",
    "brier",
)
_EITHER = "write `outputs: classes` in task, or a budget on spearman"


def embedding_problems(recipe: Recipe) -> Iterator[tuple[KeyPath, str, str]]:
    """Where, what, cure; also where a recipe of classes asks for similarities."""
    task = recipe.task
    for index, budget in enumerate(recipe.budgets):
        if (misfit := metric_misfit(budget.metric, task.outputs)) is not None:
            yield ("budgets", index, "metric"), *misfit
    if task.outputs == "classes":
        return
    if recipe.student.kind == "factory":
        what = "the families end in classes, and the task gives embeddings"
        yield ("student", "kind"), what, "write `kind: python` and a module that gives embeddings"
    if isinstance(recipe.student, PrunedStudent) and recipe.student.importance == "taylor":
        what = "taylor takes the gradient of a loss on classes, and the task gives embeddings"
        yield ("student", "importance"), what, "write `importance: magnitude`"
    node = recipe.distill
    if recipe.teacher is None or node.teach_by == "average":
        what = "embeddings are learnt from a teacher alone"
        yield ("task", "outputs"), what, "write `teacher:`, and no `teach_by`"
    elif recipe.teacher.kind == "several":
        what = "embeddings of several teachers have no mean: their axes differ"
        yield ("teacher", "kind"), what, "name one teacher"
    unfit = _unfit(node.loss)
    if unfit is not None:
        yield (
            ("distill", "loss", "kind"),
            f"{unfit} compares classes, and the task gives embeddings",
            f"use {', '.join(FITTING)}",
        )
    if node.mixup is not None:
        yield ("distill", "mixup"), "mixes labels, and embeddings have none", "remove it"
    if node.stored.top_k is not None:
        yield ("distill", "stored", "top_k"), "an embedding is stored whole", "remove it"
    if getattr(task, "classes", None) is not None:
        yield ("task", "classes"), "embeddings have no classes", "remove it"
    if getattr(task, "labelled", None) is not None:
        yield ("task", "labelled"), "embeddings need no labels", "remove it"
    if isinstance(recipe.controls, Controls) and recipe.controls.labels_only:
        yield ("controls", "labels_only"), "embeddings have no labels", "remove it"
    if recipe.slices != "none" and (recipe.slices.by or recipe.slices.corruptions):
        yield ("slices",), "embeddings are judged as a whole", "write `slices: none`"


def metric_misfit(metric: str, outputs: str) -> tuple[str, str] | None:
    """What is wrong with a budget on this metric where a task gives these outputs, and the cure."""
    if outputs == "classes" and metric == "spearman":
        what = "spearman compares embeddings, and the task gives classes"
        return what, "write `outputs: embeddings` in task"
    if outputs == "embeddings" and metric in OF_CLASSES:
        return f"{metric} compares classes, and the task gives embeddings", _EITHER
    return None


def _unfit(loss: LossNode) -> str | None:
    if isinstance(loss, AutoLoss):
        return loss.kind
    for term in terms_of(loss):
        labels = isinstance(term, RegressionLoss) and term.label_weight > 0
        if term.kind not in FITTING or labels:
            return term.kind
    return None
