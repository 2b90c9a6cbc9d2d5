"""Which methods are raced: by the teacher, the task, its labels and mixup."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from compress.distill.objective import build_objective
from compress.recipe.loss_needs import taps_of
from compress.search.candidates import Facts, Given, candidates, from_stored

LOGITS = Facts(given="logits", classes=10, gap=3.0)
MIXED = replace(LOGITS, mixup=True)


def test_with_scores_and_labels_all_losses_on_scores_are_raced() -> None:
    offered = candidates(LOGITS)
    assert list(offered.arms) == [
        "kd", "kd, standardized", "kd, no labels", "dkd", "dist", "nkd", "kd and pkt"
    ]  # fmt: skip
    assert list(offered.controls) == ["labels", "label smoothing"]
    assert offered.left_out["kd and hint"] == "the teacher shows no layers"
    assert set(offered.left_out) == {"kd and hint", "funmatch"}
    assert "most samples have no label" in offered.left_out["funmatch"]


def test_layers_that_can_be_compared_are_the_last_arm_and_named_in_its_loss() -> None:
    offered = candidates(replace(LOGITS, layers=("stages.1", "layer4")))
    assert list(offered.arms)[-1] == "kd and hint"
    assert set(offered.left_out) == {"funmatch"}
    (tap,) = taps_of(offered.arms["kd and hint"].loss)
    assert (tap.student, tap.teacher, tap.adapted) == ("stages.1", "layer4", True)
    assert "kd and hint" in candidates(replace(LOGITS, given="hard labels")).left_out


def test_what_asks_the_teacher_anew_is_left_out_of_a_search() -> None:
    few = replace(LOGITS, labelled=0.1, layers=("stages.1", "layer4"))
    offered, kept = candidates(few), from_stored(candidates(few))
    assert set(offered.arms) - set(kept.arms) == {"funmatch", "kd and hint"}
    assert set(offered.controls) - set(kept.controls) == {"labels, mixed"}
    assert "asked anew" in kept.left_out["funmatch"]
    assert from_stored(candidates(LOGITS)) == candidates(LOGITS)


@pytest.mark.parametrize("given", ["hard labels", "top-k", "logits"])
@pytest.mark.parametrize("classes", [3, 10])
def test_what_is_raced_with_mixup_can_be_trained_on_mixtures(given: Given, classes: int) -> None:
    offered = candidates(Facts(given=given, classes=classes, gap=None, mixup=True))
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 4, classes)
    target = torch.full((4, classes), 1.0 / classes)
    for arm in (*offered.arms.values(), *offered.controls.values()):
        loss = build_objective(arm.loss, soft_labels=True)(student, target, teacher)
        assert loss.isfinite()


def test_mixup_leaves_out_what_needs_a_class_and_says_so() -> None:
    offered = candidates(MIXED)
    out = set(candidates(LOGITS).arms) - set(offered.arms)
    assert out == {"dkd", "nkd"}
    assert "a mixture has none: remove `mixup`" in offered.left_out["dkd"]
    assert offered.arms["funmatch"].mixup is None  # the recipe's
    assert list(offered.controls) == ["labels", "label smoothing"]


def test_a_batch_in_parts_leaves_out_what_compares_its_samples() -> None:
    offered = candidates(replace(LOGITS, in_parts=True))
    assert set(candidates(LOGITS).arms) - set(offered.arms) == {"dist", "kd and pkt"}
    assert "remove `accumulate` and `processes`" in offered.left_out["dist"]


@pytest.mark.parametrize("given", ["top-k", "logits"])
def test_few_labels_bring_the_teachers_answers_to_mixtures_first(given: Given) -> None:
    offered = candidates(replace(LOGITS, given=given, labelled=0.03))
    assert next(iter(offered.arms)) == "funmatch"
    arm = offered.arms["funmatch"]
    assert arm.loss.kind == "kd"
    assert (arm.loss.weight, arm.loss.temperature, arm.mixup) == (1.0, 1.0, 1.0)
    assert offered.controls["labels, mixed"].mixup == 1.0  # what mixtures gain by themselves
    assert {arm.mixup for name, arm in offered.arms.items() if name != "funmatch"} == {None}


def test_inputs_that_can_not_be_mixed_are_not() -> None:
    reason = "it mixes inputs, and tokens can't be mixed"
    offered = candidates(replace(LOGITS, labelled=0.03, unmixable=reason))
    assert "funmatch" not in offered.arms
    assert offered.left_out["funmatch"] == reason
    assert "labels, mixed" not in offered.controls


def test_few_classes_and_short_or_hard_answers_leave_out_what_they_can_not_carry() -> None:
    assert "2 classes" in candidates(replace(LOGITS, classes=2)).left_out["dkd"]
    assert list(candidates(replace(LOGITS, given="top-k")).arms) == [
        "kd, T=1", "teacher's decisions"
    ]  # fmt: skip
    hard = candidates(replace(LOGITS, given="hard labels", labelled=0.03))
    assert list(hard.arms) == ["teacher's decisions", "decisions and labels"]
    assert "decisions alone" in hard.left_out["funmatch"]


def test_a_large_gap_lowers_what_the_other_classes_weigh() -> None:
    assert candidates(replace(LOGITS, gap=10.0)).arms["dkd"].loss.beta == 8.0
    assert candidates(replace(LOGITS, gap=10.1)).arms["dkd"].loss.beta == 2.0
