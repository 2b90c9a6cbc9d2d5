"""From a loss of the recipe to a number: weights, labels, warm-ups, sums, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from torch import Tensor

from compress.distill.losses.attention import attention
from compress.distill.losses.dist import dist
from compress.distill.losses.dkd import dkd
from compress.distill.losses.embedding import embedding_cosine
from compress.distill.losses.hard import hard
from compress.distill.losses.hint import hint
from compress.distill.losses.kd import kd
from compress.distill.losses.labels import labels
from compress.distill.losses.nkd import nkd
from compress.distill.losses.pkt import pkt
from compress.distill.losses.relations import relations
from compress.distill.losses.rkd import rkd
from compress.distill.losses.standardize import standardize
from compress.distill.objective import build_objective
from compress.distill.step import Features
from compress.errors import InputError
from compress.recipe.loss_needs import (
    needs_class_index,
    needs_scores,
    needs_teacher,
    needs_whole_batch,
    taps_of,
)
from compress.recipe.loss_nodes import LossNode

NODES: TypeAdapter[Any] = TypeAdapter(LossNode)
PAIR = {"student": "a", "teacher": "b"}
OUTPUTS: dict[str, dict[str, Any]] = {
    "labels": {"kind": "labels"},
    "kd": {"kind": "kd"},
    "kd standardised": {"kind": "kd", "standardize": True, "weight": 9.0, "label_weight": 0.1},
    "kd sigmoid": {"kind": "kd", "form": "sigmoid", "temperature": 2.0},
    "hard": {"kind": "hard"},
    "regression": {"kind": "regression"},
    "huber": {"kind": "regression", "form": "huber", "label_weight": 1.0},
    "dkd": {"kind": "dkd"},
    "dkd standardised": {"kind": "dkd", "standardize": True, "temperature": 2.0},
    "dist": {"kind": "dist"},
    "nkd": {"kind": "nkd"},
    "pkt": {"kind": "pkt"},
    "rkd": {"kind": "rkd"},
    "embedding": {"kind": "embedding"},
    "embedding mse": {"kind": "embedding", "form": "mse"},
    "embedding kl": {"kind": "embedding", "form": "similarity-kl"},
    "embedding pairs": {"kind": "embedding", "form": "similarity-mse"},
    "sum": {
        "kind": "sum",
        "terms": [
            {"loss": "kd"},
            {"loss": {"kind": "rkd"}, "weight": 0.1, "warmup": 0.1},
            {"loss": "pkt", "weight": 0.001},
        ],
    },
}
LAYERS: dict[str, dict[str, Any]] = {
    kind: {"kind": kind, "layers": [PAIR]} for kind in ("hint", "attention", "distilbert")
} | {"relations": {"kind": "relations", "layers": [PAIR], "heads": 2}}


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


STUDENT, TEACHER = random(0, 2, 6, 4)
TARGET = torch.tensor([0, 1, 2, 3, 0, 1])


def value(node: dict[str, Any], **given: Any) -> Tensor:
    arguments: dict[str, Any] = {"student": STUDENT, "target": TARGET, "teacher": TEACHER}
    extra = {k: given.pop(k) for k in ("progress", "features") if k in given}
    arguments |= given
    objective = build_objective(NODES.validate_python(node))
    return objective(arguments["student"], arguments["target"], arguments["teacher"], **extra)


def near(found: Tensor, wanted: Tensor | float) -> None:
    assert float(found) == pytest.approx(float(wanted), rel=1e-9)


def test_each_kind_weighs_its_parts_as_its_node_says() -> None:
    ce = labels(STUDENT, TARGET)
    near(value({"kind": "kd"}), 0.9 * kd(STUDENT, TEACHER, temperature=4) + 0.1 * ce)
    scores = standardize(STUDENT), standardize(TEACHER)
    shaped = value({**OUTPUTS["kd standardised"], "temperature": 2.0})
    near(shaped, 9 * kd(*scores, temperature=2) + 0.1 * ce)
    near(value({"kind": "hard"}), 0.5 * hard(STUDENT, TEACHER) + 0.5 * ce)
    near(value({"kind": "dkd"}), dkd(STUDENT, TEACHER, TARGET) + ce)
    near(value(OUTPUTS["dkd standardised"]), dkd(*scores, TARGET, temperature=2.0) + ce)
    near(value({"kind": "dist"}), dist(STUDENT, TEACHER) + ce)
    near(value({"kind": "nkd"}), nkd(STUDENT, TEACHER, TARGET) + ce)
    near(value({"kind": "pkt"}), 30000 * pkt(STUDENT, TEACHER))
    near(value({"kind": "rkd"}), rkd(STUDENT, TEACHER))
    near(value({"kind": "regression"}), (STUDENT - TEACHER).square().mean())
    near(value({"kind": "embedding", "weight": 3.0}), 3 * embedding_cosine(STUDENT, TEACHER))


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_loss_on_outputs_gives_a_gradient_to_the_student_alone(name: str) -> None:
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    loss = value(OUTPUTS[name], student=student, teacher=teacher)
    loss.backward()
    assert loss.ndim == 0
    assert torch.isfinite(student.grad).all()
    assert float(student.grad.abs().max()) > 0
    assert teacher.grad is None


@pytest.mark.parametrize("name", [name for name in OUTPUTS if name != "labels"])
def test_a_loss_without_a_teacher_names_the_cure(name: str) -> None:
    with pytest.raises(InputError, match="add `teacher:` to the recipe"):
        value(OUTPUTS[name], teacher=None)


@pytest.mark.parametrize("name", ["kd", "kd sigmoid", "hard", "regression", "dist", "huber"])
def test_mixed_labels_are_taken_as_probabilities(name: str) -> None:
    one_hot = torch.nn.functional.one_hot(TARGET, 4).double()
    near(value(OUTPUTS[name], target=one_hot), value(OUTPUTS[name]))
    assert torch.isfinite(value(OUTPUTS[name], target=0.6 * one_hot + 0.1))


@pytest.mark.parametrize("kind", ["dkd", "nkd"])
def test_a_loss_that_needs_a_class_refuses_mixed_labels_before_the_first_step(kind: str) -> None:
    whole = {"kind": "sum", "terms": [{"loss": "kd"}, {"loss": kind}]}
    for node in ({"kind": kind}, whole):
        with pytest.raises(InputError, match=f"`{kind}` splits off the class .* without mixup"):
            build_objective(NODES.validate_python(node), soft_labels=True)
        assert needs_class_index(NODES.validate_python(node)) == kind
    assert needs_class_index(NODES.validate_python({"kind": "dist"})) is None


def test_a_black_box_that_names_classes_alone_teaches_hard_labels_alone() -> None:
    decisions = TEACHER.argmax(dim=1)
    near(value({"kind": "hard"}, teacher=decisions), value({"kind": "hard"}))
    with pytest.raises(InputError, match=r"gives decisions alone; use `loss: .kind: hard"):
        value({"kind": "kd"}, teacher=decisions)


def test_samples_without_a_label_are_taught_by_the_teacher_alone() -> None:
    some = torch.tensor([0, 1, -100, -100, 0, -100])
    known = some != -100
    soft = kd(STUDENT, TEACHER, temperature=4)
    # Three of six: a label weighs what it does where all samples have one.
    few = 0.5 * labels(STUDENT[known], some[known])
    near(value({"kind": "kd"}, target=some), 0.9 * soft + 0.1 * few)
    for kind, taught in (("dist", dist(STUDENT, TEACHER)), ("hard", 0.5 * hard(STUDENT, TEACHER))):
        weight = 0.5 if kind == "hard" else 1.0
        near(value({"kind": kind}, target=some), taught + weight * few)
    filled = torch.where(known, some, TEACHER.argmax(dim=1))
    near(value({"kind": "dkd", "label_weight": 0.0}, target=some), dkd(STUDENT, TEACHER, filled))


def test_warm_ups_follow_the_progress_of_the_training() -> None:
    ce, soft = labels(STUDENT, TARGET), dkd(STUDENT, TEACHER, TARGET)
    for progress, share in ((0.0, 0.0), (0.04, 0.5), (0.08, 1.0), (1.0, 1.0)):
        near(value({"kind": "dkd"}, progress=progress), share * soft + ce)
    terms = [{"loss": "labels"}, {"loss": "rkd", "weight": 2.0, "warmup": 0.5}]
    smoothed = labels(STUDENT, TARGET, smoothing=0.1)
    for progress, share in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0)):
        total = value({"kind": "sum", "terms": terms}, progress=progress)
        near(total, smoothed + 2 * share * rkd(STUDENT, TEACHER))


@settings(deadline=None, max_examples=20)
@given(first=st.floats(0, 10), second=st.floats(0, 10))
def test_a_sum_is_the_sum_of_its_terms(first: float, second: float) -> None:
    terms = [{"loss": "kd", "weight": first}, {"loss": "dist", "weight": second}]
    near(
        value({"kind": "sum", "terms": terms}),
        first * value({"kind": "kd"}) + second * value({"kind": "dist"}),
    )


@pytest.mark.parametrize("name", OUTPUTS)
def test_tokens_that_are_padding_change_nothing(name: str) -> None:
    student, teacher = random(1, 2, 3, 5, 4)
    target = torch.tensor([[0, 1, 2, -100, -100], [3, 0, 1, 2, -100], [1, 2, 3, 0, 1]])
    kept = target != -100
    found = value(OUTPUTS[name], student=student, teacher=teacher, target=target)
    flat = value(OUTPUTS[name], student=student[kept], teacher=teacher[kept], target=target[kept])
    near(found, flat)
    noisy = student.masked_fill(~kept[:, :, None], float("nan")).requires_grad_()
    again = value(OUTPUTS[name], student=noisy, teacher=teacher, target=target)
    again.backward()
    near(again.detach(), found)
    assert float(noisy.grad[~kept].abs().max()) == 0.0
    nothing = torch.full_like(target, -100)
    assert float(value(OUTPUTS[name], student=student, teacher=teacher, target=nothing)) == 0.0


def test_losses_on_layers_compare_what_their_taps_gave() -> None:
    own, other = random(2, 2, 6, 3, 4, 4)
    expected = {
        "hint": 100 * hint(own, other),
        "attention": 1000 * attention(own, other),
    }
    for name, exact in expected.items():
        near(value(LAYERS[name], features=_features(LAYERS[name], own, other)), exact)
    tokens = random(3, 2, 6, 5, 8)
    mask = torch.arange(5)[None, :] < torch.tensor([5, 4, 3, 2, 1, 5])[:, None]
    near(
        value(LAYERS["relations"], features=_features(LAYERS["relations"], *tokens, mask=mask)),
        relations(*tokens, heads=2, mask=mask),
    )
    near(
        value(LAYERS["distilbert"], features=_features(LAYERS["distilbert"], *tokens, mask=mask)),
        5 * kd(STUDENT, TEACHER, temperature=2)
        + 2 * labels(STUDENT, TARGET)
        + embedding_cosine(*tokens, mask=mask),
    )


@pytest.mark.parametrize("kind", ["pkt", "rkd", "embedding"])
def test_a_loss_on_vectors_takes_the_mean_of_a_map_or_of_the_tokens_that_count(kind: str) -> None:
    node = {"kind": kind, "layers": [PAIR]}
    maps = random(4, 2, 6, 3, 4, 4)
    plain = value({"kind": kind}, student=maps[0].mean((2, 3)), teacher=maps[1].mean((2, 3)))
    near(value(node, features=_features(node, *maps)), plain)
    tokens = random(5, 2, 6, 5, 8)
    mask = torch.arange(5)[None, :] < torch.tensor([5, 4, 3, 2, 1, 5])[:, None]
    means = [(x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True) for x in tokens]
    plain = value({"kind": kind}, student=means[0], teacher=means[1])
    near(value(node, features=_features(node, *tokens, mask=mask)), plain)


def test_layers_add_up() -> None:
    node = {"kind": "hint", "layers": [PAIR, {"student": "c", "teacher": "d"}]}
    own, other = random(6, 2, 6, 3, 4, 4)
    near(value(node, features=_features(node, own, other)), 200 * hint(own, other))


def test_a_layer_that_was_not_tapped_is_named() -> None:
    with pytest.raises(InputError, match="no features of 'a' and 'b'; use a teacher that is a"):
        value(LAYERS["hint"])


def test_a_loss_says_what_it_needs() -> None:
    def node(name: str) -> Any:
        return NODES.validate_python((OUTPUTS | LAYERS)[name])

    assert [name for name in OUTPUTS | LAYERS if not needs_teacher(node(name))] == ["labels"]
    without_scores = {name for name in OUTPUTS | LAYERS if not needs_scores(node(name))}
    assert without_scores == {"labels", "hint", "attention", "relations"}
    of_batches = {name for name in OUTPUTS | LAYERS if needs_whole_batch(node(name))}
    assert of_batches == {"dist", "pkt", "rkd", "embedding kl", "embedding pairs", "sum"}
    assert needs_whole_batch(NODES.validate_python({"kind": "dist", "gamma": 0.0})) is None
    assert needs_whole_batch(NODES.validate_python("auto")) is None  # the race leaves these out
    assert {name for name in OUTPUTS if taps_of(node(name))} == set()
    adapted = {name: [tap.adapted for tap in taps_of(node(name))] for name in LAYERS}
    assert adapted == {
        "hint": [True],
        "attention": [False],
        "distilbert": [True],
        "relations": [False],
    }


def _features(
    node: dict[str, Any], student: Tensor, teacher: Tensor, mask: Tensor | None = None
) -> Features:
    taps = taps_of(NODES.validate_python(node))
    return Features(pairs=dict.fromkeys(taps, (student, teacher)), mask=mask)
