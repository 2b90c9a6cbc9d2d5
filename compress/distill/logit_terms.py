"""Losses on outputs, with their labels: node and step in, scalar out."""

from __future__ import annotations

from torch import Tensor

from compress.distill.losses.dist import dist
from compress.distill.losses.dkd import dkd
from compress.distill.losses.focal import focal
from compress.distill.losses.hard import hard
from compress.distill.losses.kd import kd
from compress.distill.losses.labels import NO_LABEL, labels, sigmoid_labels
from compress.distill.losses.nkd import nkd
from compress.distill.losses.ramp import ramp
from compress.distill.losses.regression import regression
from compress.distill.losses.sigmoid_kd import sigmoid_kd
from compress.distill.losses.standardize import standardize
from compress.distill.step import Step
from compress.recipe.loss_nodes import (
    DistLoss,
    DkdLoss,
    FocalLoss,
    HardLoss,
    KdLoss,
    LabelsLoss,
    NkdLoss,
    RegressionLoss,
)


def labels_term(node: LabelsLoss, step: Step) -> Tensor:
    return labels(step.student, step.target, smoothing=node.smoothing)


def kd_term(node: KdLoss, step: Step) -> Tensor:
    student, teacher = _shaped(step, standardized=node.standardize)
    label_weight = 1.0 - node.weight if node.label_weight is None else node.label_weight
    if node.form == "sigmoid":
        soft = sigmoid_kd(student, teacher, temperature=node.temperature)
        wanted = sigmoid_labels(step.student, step.target) if label_weight else None
    else:
        soft = kd(student, teacher, temperature=node.temperature)
        wanted = labels(step.student, step.target) if label_weight else None
    loss = node.weight * soft
    return loss if wanted is None else loss + label_weight * wanted


def hard_term(node: HardLoss, step: Step) -> Tensor:
    decisions = step.teacher if step.scores is None else step.scores
    loss = node.weight * hard(step.student, decisions, smoothing=node.smoothing)
    return _with_labels(loss, 1.0 - node.weight, step)


def regression_term(node: RegressionLoss, step: Step) -> Tensor:
    apart = regression(step.student, step.teacher, form=node.form, delta=node.delta)
    return _with_labels(node.weight * apart, node.label_weight, step)


def focal_term(node: FocalLoss, step: Step) -> Tensor:
    apart = focal(
        step.student,
        step.teacher,
        step.target,
        temperature=node.temperature,
        base=node.base,
        right=node.right,
    )
    return _with_labels(node.weight * apart, node.label_weight, step)


def dkd_term(node: DkdLoss, step: Step) -> Tensor:
    student, teacher = _shaped(step, standardized=node.standardize)
    loss = dkd(
        student,
        teacher,
        _class_index(step),
        alpha=node.alpha,
        beta=node.beta,
        temperature=node.temperature,
    )
    return _with_labels(ramp(step.progress, node.warmup) * loss, node.label_weight, step)


def dist_term(node: DistLoss, step: Step) -> Tensor:
    loss = dist(
        step.student,
        step.teacher,
        beta=node.beta,
        gamma=node.gamma,
        temperature=node.temperature,
    )
    return _with_labels(loss, node.label_weight, step)


def nkd_term(node: NkdLoss, step: Step) -> Tensor:
    loss = nkd(
        step.student,
        step.teacher,
        _class_index(step),
        gamma=node.gamma,
        temperature=node.temperature,
    )
    return _with_labels(loss, node.label_weight, step)


def _shaped(step: Step, *, standardized: bool) -> tuple[Tensor, Tensor]:
    """Scores of student and teacher, without their scale where the recipe wants that."""
    if not standardized:
        return step.student, step.teacher
    return standardize(step.student), standardize(step.teacher.detach())


def _class_index(step: Step) -> Tensor:
    """Class indices; a sample without a label belongs to the class that the teacher gives it."""
    if step.target.is_floating_point():
        return step.target  # refused by the loss, with the reason
    return step.target.where(step.target != NO_LABEL, step.teacher.argmax(dim=-1))


def _with_labels(loss: Tensor, weight: float, step: Step) -> Tensor:
    return loss + weight * labels(step.student, step.target) if weight else loss
