"""The learning rate, step by step."""

from __future__ import annotations

import pytest
import torch

from compress.distill.schedule import one_cycle


@pytest.mark.parametrize(("steps", "warmup"), [(100, 0.2), (37, 0.3), (429, 0.05)])
def test_one_cycle_gives_the_rates_of_torch(steps: int, warmup: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.15)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        0.15,
        total_steps=steps,
        pct_start=warmup,
        cycle_momentum=False,
        div_factor=10,
        final_div_factor=100,
    )
    for step in range(steps):
        ours = one_cycle(step, steps=steps, peak=0.15, warmup=warmup)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        if step < steps - 1:
            reference.step()


def test_one_cycle_holds_for_a_single_step() -> None:
    assert one_cycle(0, steps=1, peak=0.1, warmup=0.2) == pytest.approx(0.0001)
