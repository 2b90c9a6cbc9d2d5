"""The laws of single losses: what they are blind to, their limits, and the traps they avoid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compress.distill.losses.attention import attention
from compress.distill.losses.dist import dist
from compress.distill.losses.dkd import dkd
from compress.distill.losses.embedding import embedding_cosine, embedding_mse
from compress.distill.losses.hard import hard
from compress.distill.losses.hint import hint
from compress.distill.losses.kd import kd
from compress.distill.losses.labels import labels, sigmoid_labels
from compress.distill.losses.nkd import nkd
from compress.distill.losses.pkt import pkt
from compress.distill.losses.ramp import ramp
from compress.distill.losses.regression import regression
from compress.distill.losses.relations import relations
from compress.distill.losses.rkd import rkd
from compress.distill.losses.sigmoid_kd import sigmoid_kd
from compress.distill.losses.similarity import similarity_kl, similarity_mse
from compress.distill.losses.standardize import standardize
from compress.errors import InputError

GOLDEN = json.loads(Path(__file__).with_name("golden_kd.json").read_text())
ZS = torch.tensor(GOLDEN["inputs"]["ZS"], dtype=torch.float64)
ZT = torch.tensor(GOLDEN["inputs"]["ZT"], dtype=torch.float64)
Y = torch.tensor(GOLDEN["inputs"]["Y"])

SEEDS = st.integers(0, 10**6)
FEW = settings(deadline=None, max_examples=20)


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(seed: int, width: int) -> Tensor:
    return torch.linalg.qr(random(seed, width, width))[0]


@FEW
@given(seed=SEEDS, batch=st.integers(1, 6), classes=st.integers(2, 9), temperature=st.floats(1, 8))
def test_hintons_loss_is_the_sum_of_the_two_parts_of_dkd(
    seed: int, batch: int, classes: int, temperature: float
) -> None:
    """KD = TCKD + (1 - p_y of the teacher) * NCKD, for each sample."""
    student, teacher = random(seed, 2, batch, classes)
    target = torch.randint(0, classes, (batch,), generator=torch.Generator().manual_seed(seed))
    for row in range(batch):
        s, t, y = student[row : row + 1], teacher[row : row + 1], target[row : row + 1]
        binary = dkd(s, t, y, alpha=1, beta=0, temperature=temperature)
        others = dkd(s, t, y, alpha=0, beta=1, temperature=temperature)
        share = 1 - torch.softmax(t / temperature, 1)[0, y]
        whole = kd(s, t, temperature=temperature)
        assert float(binary + share * others) == pytest.approx(float(whole), rel=1e-9, abs=1e-12)


def test_a_high_temperature_makes_kd_the_distance_of_centred_logits() -> None:
    limit = GOLDEN["golden"]["logit_mse_zeromean_sum_half_over_C"]["value"]
    assert float(kd(ZS, ZT, temperature=1e4)) == pytest.approx(limit, rel=1e-3)


@FEW
@given(seed=SEEDS, scale=st.floats(0.5, 20), shift=st.floats(-50, 50))
def test_standardised_scores_know_neither_scale_nor_shift(
    seed: int, scale: float, shift: float
) -> None:
    logits = random(seed, 4, 7)
    plain = standardize(logits, floor=0.0)
    torch.testing.assert_close(standardize(scale * logits + shift, floor=0.0), plain)
    assert float(plain.std(dim=1).mean()) == pytest.approx(1.0)


@FEW
@given(seed=SEEDS)
def test_the_floor_of_the_scale_moves_ordinary_scores_by_half_a_percent_at_most(seed: int) -> None:
    logits = random(seed, 4, 10)
    logits = logits / logits.std(dim=1, keepdim=True)
    ratio = standardize(logits) / standardize(logits, floor=0.0)
    assert float(ratio.min()) > 0.995
    assert float(ratio.max()) <= 1.0


def test_the_authors_epsilon_explodes_on_a_head_of_zeros_and_the_floor_does_not() -> None:
    gradients = []
    for floor, epsilon in ((0.0, 1e-7), (0.1, 0.0)):
        student = torch.zeros(3, 4, requires_grad=True)
        scores = standardize(student, floor=floor, epsilon=epsilon)
        kd(scores, standardize(ZT.float()), temperature=2).backward()
        gradients.append(float(student.grad.abs().max()))
    assert gradients[0] > 1e5
    assert gradients[1] < 10


def test_the_authors_epsilon_of_dist_explodes_on_a_head_of_zeros_and_the_floor_does_not() -> None:
    gradients = []
    for settings_ in ({"floor": 0.0, "epsilon": 1e-8}, {}):
        student = torch.zeros(3, 4, requires_grad=True)
        dist(student, ZT.float(), **settings_).backward()
        gradients.append(float(student.grad.abs().max()))
    assert gradients[0] > 1e5
    assert gradients[1] < 10


def test_dist_at_temperature_1_notices_the_scale_of_the_scores() -> None:
    assert abs(float(dist(2 * ZS, ZT)) - float(dist(ZS, ZT))) > 0.01


def test_dkd_is_finite_where_the_logarithm_of_a_softmax_is_not() -> None:
    student = torch.tensor([[120.0, 0.0, -5.0]], requires_grad=True)
    value = dkd(student, torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([0]), temperature=1)
    value.backward()
    assert 50 < value.item() < 200
    assert torch.isfinite(student.grad).all()


def test_sigmoid_kd_is_finite_where_a_clamped_sigmoid_is_not() -> None:
    value = sigmoid_kd(torch.tensor([[20.0]]), torch.tensor([[2.0]]), temperature=1)
    exact = sigmoid_kd(
        torch.tensor([[20.0]], dtype=torch.float64),
        torch.tensor([[2.0]], dtype=torch.float64),
        temperature=1,
    )
    assert float(value) == pytest.approx(float(exact), rel=1e-5)


def test_the_other_classes_of_nkd_are_least_at_the_teacher() -> None:
    """A cross-entropy: at its minimum it is the teacher's entropy, not 0."""
    student = ZT.clone().requires_grad_()
    own, both = nkd(student, ZT, Y, gamma=0), nkd(student, ZT, Y, gamma=1)
    (gradient,) = torch.autograd.grad(both - own, student)
    assert float(gradient.abs().max()) < 1e-12
    assert (both - own).item() > 0.1


@FEW
@given(seed=SEEDS, smoothing=st.floats(0.01, 0.5))
def test_hard_labels_are_the_best_class_of_the_teacher_smoothed(
    seed: int, smoothing: float
) -> None:
    student, teacher = random(seed, 2, 5, 6)
    decisions = teacher.argmax(dim=1)
    value = hard(student, teacher, smoothing=smoothing)
    assert float(value) == pytest.approx(float(labels(student, decisions, smoothing=smoothing)))
    assert float(hard(student, decisions, smoothing=smoothing)) == pytest.approx(float(value))
    assert float(hard(student, teacher * 100, smoothing=smoothing)) == pytest.approx(float(value))


def test_huber_is_half_the_square_near_and_linear_far() -> None:
    near, far = torch.tensor([[0.5]]), torch.tensor([[10.0]])
    zero = torch.zeros(1, 1)
    assert float(regression(near, zero, form="huber", delta=2.0)) == pytest.approx(0.125)
    assert float(regression(far, zero, form="huber", delta=2.0)) == pytest.approx(18.0)


def test_a_sample_without_a_label_adds_nothing_and_makes_no_other_weigh_more() -> None:
    some = torch.tensor([0, -100, 3])
    assert float(labels(ZS, some)) == pytest.approx(2 / 3 * float(labels(ZS[[0, 2]], Y[[0, 2]])))
    assert float(sigmoid_labels(ZS, some)) == pytest.approx(
        2 / 3 * float(sigmoid_labels(ZS[[0, 2]], Y[[0, 2]]))
    )
    none = torch.full((3,), -100)
    student = ZS.clone().requires_grad_()
    value = labels(student, none, smoothing=0.1)
    value.backward()
    assert value.item() == 0.0
    assert float(student.grad.abs().max()) == 0.0


def test_soft_labels_of_one_class_are_that_label() -> None:
    one_hot = torch.nn.functional.one_hot(Y, 4).double()
    assert float(labels(ZS, one_hot)) == pytest.approx(float(labels(ZS, Y)))
    assert float(sigmoid_labels(ZS, one_hot)) == pytest.approx(float(sigmoid_labels(ZS, Y)))


@FEW
@given(seed=SEEDS, scale=st.floats(0.1, 10))
def test_relations_in_the_batch_know_neither_width_nor_rotation(seed: int, scale: float) -> None:
    """The student may be any rotation of the teacher, in a wider space."""
    teacher = random(seed, 5, 4)
    student = scale * torch.cat([teacher, teacher.new_zeros(5, 3)], 1) @ rotation(seed + 1, 7)
    for loss in (pkt, similarity_mse, similarity_kl, rkd):
        assert float(loss(student, teacher)) == pytest.approx(0, abs=1e-9)


@FEW
@given(seed=SEEDS, scale=st.floats(0.1, 10))
def test_what_looks_at_directions_is_blind_to_lengths(seed: int, scale: float) -> None:
    student, teacher = random(seed, 2, 5, 4)
    for loss in (pkt, similarity_mse, embedding_cosine):
        assert float(loss(scale * student, teacher)) == pytest.approx(
            float(loss(student, teacher)), rel=1e-4
        )


@FEW
@given(seed=SEEDS, scale=st.floats(0.1, 10))
def test_attention_is_where_and_not_how_much(seed: int, scale: float) -> None:
    student, teacher = random(seed, 2, 2, 3, 4, 4)
    value = float(attention(student, teacher))
    assert float(attention(-scale * student, teacher)) == pytest.approx(value)
    assert float(attention(student.flip(1), teacher)) == pytest.approx(value)


@FEW
@given(seed=SEEDS)
def test_relations_of_tokens_know_neither_width_nor_a_rotation_of_a_head(seed: int) -> None:
    teacher = random(seed, 2, 5, 8)
    heads = teacher.reshape(2, 5, 2, 4)
    turned = (heads @ rotation(seed, 4)).reshape(2, 5, 8)
    assert float(relations(turned, teacher, heads=2)) == pytest.approx(0, abs=1e-9)
    # Twice the width at sqrt(2) times the values has the same scaled products.
    doubled = torch.cat([heads, torch.zeros_like(heads)], -1).reshape(2, 5, 16) * 2**0.25
    assert float(relations(doubled, teacher, heads=2)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("progress", "warmup", "share"),
    [(0.0, 0.0, 1.0), (0.0, 0.1, 0.0), (0.05, 0.1, 0.5), (0.1, 0.1, 1.0), (1.0, 0.1, 1.0)],
)
def test_a_warm_up_rises_in_a_line(progress: float, warmup: float, share: float) -> None:
    assert ramp(progress, warmup) == pytest.approx(share)


def test_what_does_not_fit_is_refused_with_the_cure() -> None:
    soft = torch.softmax(ZS, 1)
    with pytest.raises(InputError, match="`dkd` splits off the class of each sample, and mixed"):
        dkd(ZS, ZT, soft)
    with pytest.raises(InputError, match="train without mixup"):
        nkd(ZS, ZT, soft)
    with pytest.raises(InputError, match="let an adapter bring the student to"):
        hint(random(0, 2, 3), random(0, 2, 4))
    with pytest.raises(InputError, match="width 3 is not the teacher's 4; write `project: pca`"):
        embedding_mse(random(0, 2, 3), random(0, 2, 4))
    with pytest.raises(InputError, match="name convolutional layers"):
        attention(random(0, 2, 3), random(0, 2, 4))
    with pytest.raises(InputError, match="5 relation heads do not divide the student's width 8"):
        relations(random(0, 1, 3, 8), random(0, 1, 3, 10), heads=5)
