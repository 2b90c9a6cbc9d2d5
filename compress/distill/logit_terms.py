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
from compress.distill.shares import WHOLE
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
    loss = labels(step.student, step.target, smoothing=node.smoothing)
    return loss if step.shares is WHOLE else step.shares.answers * loss


def kd_term(node: KdLoss, step: Step) -> Tensor:
    student, teacher = _shaped(step, standardized=node.standardize)
    label_weight = 1.0 - node.weight if node.label_weight is None else node.label_weight
    if node.form == "sigmoid":
        soft = sigmoid_kd(student, teacher, temperature=node.temperature)
        wanted = sigmoid_labels(step.student, step.target) if label_weight else None
    else:
        soft = kd(student, teacher, temperature=node.temperature)
        wanted = labels(step.student, step.target) if label_weight else None
    loss = node.weight * step.shares.answers * soft
    return loss if wanted is None else loss + label_weight * step.shares.answers * wanted


def hard_term(node: HardLoss, step: Step) -> Tensor:
    decisions = step.teacher if step.scores is None else step.scores
    loss = hard(step.student, decisions, smoothing=node.smoothing)
    return _with_labels(loss, step, weight=node.weight, label_weight=1.0 - node.weight)


def regression_term(node: RegressionLoss, step: Step) -> Tensor:
    apart = regression(step.student, step.teacher, form=node.form, delta=node.delta)
    return _with_labels(apart, step, weight=node.weight, label_weight=node.label_weight)


def focal_term(node: FocalLoss, step: Step) -> Tensor:
    apart = focal(
        step.student,
        step.teacher,
        step.target,
        temperature=node.temperature,
        base=node.base,
        right=node.right,
    )
    return _with_labels(apart, step, weight=node.weight, label_weight=node.label_weight)


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
    weight = ramp(step.progress, node.warmup)
    return _with_labels(loss, step, weight=weight, label_weight=node.label_weight)


def dist_term(node: DistLoss, step: Step) -> Tensor:
    loss = dist(
        step.student,
        step.teacher,
        beta=node.beta,
        gamma=node.gamma,
        temperature=node.temperature,
    )
    return _with_labels(loss, step, label_weight=node.label_weight)


def nkd_term(node: NkdLoss, step: Step) -> Tensor:
    loss = nkd(
        step.student,
        step.teacher,
        _class_index(step),
        gamma=node.gamma,
        temperature=node.temperature,
    )
    return _with_labels(loss, step, label_weight=node.label_weight)


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


def _with_labels(loss: Tensor, step: Step, *, label_weight: float, weight: float = 1.0) -> Tensor:
    """weight * a mean over answers + label_weight * that of their labels."""
    loss = weight * step.shares.answers * loss
    if not label_weight:
        return loss
    return loss + label_weight * step.shares.answers * labels(step.student, step.target)
