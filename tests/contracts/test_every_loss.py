"""What every loss holds to: its minimum, its numbers in low precision, and where gradients go."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_cases import CASES, CLASSES, MASKED, Case, draw

from compress.distill.losses.norms import FLOOR

EVERY = pytest.mark.parametrize("name", CASES)
SEEDS = st.integers(0, 10**6)
BATCHES = st.integers(1, 6)
COUNTS = st.integers(3, 9)  # of classes: two scores correlate with any two
BOUND = 1.01 / FLOOR  # of a gradient; the hundredth is bfloat16's
FEW = settings(deadline=None, max_examples=8)
ZERO = pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.zero])


@ZERO
@settings(deadline=None, max_examples=10)
@given(seed=SEEDS, batch=BATCHES, classes=COUNTS, scale=st.floats(0.3, 5.0))
def test_it_is_zero_where_the_student_equals_the_teacher_and_nowhere_less(
    name: str, seed: int, batch: int, classes: int, scale: float
) -> None:
    case = CASES[name]
    student, teacher, target = draw(case, batch=batch, seed=seed, classes=classes)
    teacher = scale * teacher
    at_teacher = float(case.loss(teacher, teacher, target))
    assert at_teacher == pytest.approx(0, abs=1e-9)
    assert float(case.loss(student, teacher, target)) >= at_teacher - 1e-9
    near = teacher + 1e-3 * student
    assert float(case.loss(near, teacher, target)) >= at_teacher - 1e-9


@EVERY
@FEW
@given(seed=SEEDS, batch=BATCHES, classes=COUNTS)
def test_the_gradient_reaches_the_student_alone(
    name: str, seed: int, batch: int, classes: int
) -> None:
    case = CASES[name]
    size = batch if case.alone else batch + 2  # two samples have one relation, whatever they are
    student, teacher, target = draw(case, batch=size, seed=seed, classes=classes)
    student.requires_grad_()
    teacher.requires_grad_()
    case.loss(student, teacher, target).backward()
    assert teacher.grad is None
    assert float(student.grad.abs().max()) > 0


@EVERY
@FEW
@given(seed=SEEDS, batch=BATCHES, classes=COUNTS)
def test_it_is_finite_at_ten_thousand_with_its_gradient(
    name: str, seed: int, batch: int, classes: int
) -> None:
    case = CASES[name]
    student, teacher, target = draw(case, batch=batch, seed=seed, classes=classes)
    far_student, far_teacher = 1e4 * student.sign(), 1e4 * teacher.sign()
    for dtype in (torch.float32, torch.bfloat16):
        for one, other in (
            (far_student, teacher),
            (student, far_teacher),
            (far_student, far_teacher),
        ):
            _gradient(case, one.to(dtype), other.to(dtype), target)


@EVERY
@FEW
@given(seed=SEEDS, batch=BATCHES, classes=COUNTS)
def test_a_head_of_zeros_gives_a_finite_and_bounded_gradient(
    name: str, seed: int, batch: int, classes: int
) -> None:
    case = CASES[name]
    student, teacher, target = draw(case, batch=batch, seed=seed, classes=classes)
    for dtype in (torch.float32, torch.bfloat16):
        for scale in (1e-8, 1.0, 1e4):
            largest = _gradient(
                case, torch.zeros_like(student).to(dtype), (scale * teacher).to(dtype), target
            )
            if case.student == (CLASSES,) and name not in ("regression mse", "embedding mse"):
                assert largest <= BOUND  # with the epsilons of the authors' code it is 10^7


@EVERY
@FEW
@given(seed=SEEDS, batch=BATCHES, classes=COUNTS)
def test_it_is_computed_in_float32_under_autocast(
    name: str, seed: int, batch: int, classes: int
) -> None:
    case = CASES[name]
    student, teacher, target = draw(case, batch=batch, seed=seed, classes=classes)
    student, teacher = student.float(), teacher.float()
    plain = case.loss(student, teacher, target)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = case.loss(student, teacher, target)
        half = case.loss(student.bfloat16(), teacher.bfloat16(), target)
    rounded = case.loss(student.bfloat16().float(), teacher.bfloat16().float(), target)
    assert mixed.dtype == half.dtype == torch.float32
    assert torch.equal(mixed, plain)
    assert torch.equal(half, rounded)
    assert case.loss(student.double(), teacher, target).dtype == torch.float64


@EVERY
@FEW
@given(seed=SEEDS, batch=BATCHES, classes=COUNTS)
def test_a_batch_of_one_is_no_special_case(name: str, seed: int, batch: int, classes: int) -> None:
    case = CASES[name]
    student, teacher, target = draw(case, batch=batch, seed=seed, classes=classes)
    places = [slice(index, index + 1) for index in range(batch)]
    rows = [case.loss(student[place], teacher[place], target[place]) for place in places]
    if case.alone:
        whole = case.loss(student, teacher, target)
        torch.testing.assert_close(torch.stack(rows).mean(), whole, rtol=1e-9, atol=1e-12)
    elif name == "dist":
        assert all(0 < float(row) < 2 for row in rows)  # its first term alone
    else:
        assert [float(row) for row in rows] == [0.0] * batch
    one = student[:1].clone().requires_grad_()
    case.loss(one, teacher[:1], target[:1]).backward()
    assert torch.isfinite(one.grad).all()


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if n != "dist" and c.alone])
@FEW
@given(seed=SEEDS, order=st.permutations(range(6)), classes=COUNTS)
def test_the_order_of_the_batch_does_not_count(
    name: str, seed: int, order: list[int], classes: int
) -> None:
    case = CASES[name]
    student, teacher, target = draw(case, batch=6, seed=seed, classes=classes)
    torch.testing.assert_close(
        case.loss(student[order], teacher[order], target[order]),
        case.loss(student, teacher, target),
        rtol=1e-9,
        atol=1e-12,
    )


@pytest.mark.parametrize("name", MASKED)
@FEW
@given(seed=SEEDS, lengths=st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_padding_changes_nothing(name: str, seed: int, lengths: list[int]) -> None:
    loss, batch = MASKED[name], len(lengths)
    generator = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, batch, 4, 12, generator=generator, dtype=torch.float64)
    mask = (torch.arange(4)[None, :] < torch.tensor(lengths)[:, None]).long()
    wide = torch.cat([mask, torch.zeros(batch, 2, dtype=mask.dtype)], 1)
    for filling in (0.0, 1e4, float("nan"), float("inf")):
        padded = [
            torch.cat(
                [
                    x.masked_fill(mask[:, :, None] == 0, filling),
                    x.new_full((batch, 2, 12), filling),
                ],
                1,
            )
            for x in (student, teacher)
        ]
        leaf = padded[0].clone().requires_grad_()
        value = loss(leaf, padded[1], wide)
        torch.testing.assert_close(value, loss(student, teacher, mask), rtol=1e-10, atol=0)
        value.backward()
        assert float(leaf.grad[wide == 0].abs().max()) == 0.0
        assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("name", MASKED)
def test_a_batch_that_is_all_padding_gives_zero(name: str) -> None:
    student, teacher = torch.randn(2, 3, 4, 12, generator=torch.Generator().manual_seed(7))
    student.requires_grad_()
    value = MASKED[name](student, teacher, torch.zeros(3, 4, dtype=torch.bool))
    value.backward()
    assert value.item() == 0.0
    assert float(student.grad.abs().max()) == 0.0


def _gradient(
    case: Case, student: torch.Tensor, teacher: torch.Tensor, target: torch.Tensor
) -> float:
    """The largest entry of the gradient; value and gradient are finite, and not in half."""
    student = student.clone().requires_grad_()
    value = case.loss(student, teacher, target)
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()
    return float(student.grad.abs().max())
