"""Rounding to a grid: the values, and the gradients that training sees."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compress.quantize.qat_rounding import fake_quantize


@given(
    values=st.lists(st.integers(-5000, 5000), min_size=1, max_size=20),
    scale=st.integers(1, 200),
    low=st.integers(-128, 0),
)
def test_rounding_lands_on_the_grid_nearest_to_it(values: list[int], scale: int, low: int) -> None:
    x, step = torch.tensor(values) / 100, torch.tensor(scale) / 100
    rounded = fake_quantize(x, step, low=low, high=low + 255)
    steps = rounded / step
    assert torch.equal(steps.round() * step, rounded)
    assert float(steps.round().min()) >= low
    assert float(steps.round().max()) <= low + 255
    inside = (x / step).round().clamp(low, low + 255) == (x / step).round()
    assert bool((((rounded - x).abs() <= 0.5001 * step) | ~inside).all())
    assert torch.equal(fake_quantize(rounded, step, low=low, high=low + 255), rounded)


def test_gradients_of_rounding_are_those_of_learned_step_sizes() -> None:
    """values / scale: 0.25 -> 0, 2.5 -> 2, 9 -> 3 (cut off), -4 -> 0 (cut off): (q - v) inside, the
    bound outside; divided by sqrt(4 values * 3)."""
    values = torch.tensor([0.125, 1.25, 4.5, -2.0], requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    rounded = fake_quantize(values, scale, low=0, high=3)
    assert rounded.tolist() == [0.0, 1.0, 1.5, 0.0]
    rounded.sum().backward()
    assert values.grad is not None
    assert scale.grad is not None
    assert values.grad.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert float(scale.grad) == pytest.approx((-0.25 - 0.5 + 3 + 0) / 12**0.5)
