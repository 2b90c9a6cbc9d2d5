"""Averaged weights and re-estimated BatchNorm statistics."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from compress.distill.averaging import average_into, reestimate_batch_norm


def test_average_moves_by_the_warmed_up_decay() -> None:
    model, averaged = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    nn.init.constant_(averaged.weight, 0.0)
    average_into(averaged, model, decay=0.999, step=1)
    assert averaged.weight.item() == pytest.approx(1 - 2 / 11)
    nn.init.constant_(averaged.weight, 0.0)
    average_into(averaged, model, decay=0.9, step=10_000)
    assert averaged.weight.item() == pytest.approx(0.1)


def test_statistics_are_the_plain_mean_over_the_batches_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2)).eval()
    weights = copy.deepcopy(dict(model.named_parameters()))
    batches = [torch.randn(40, 3) * 2 + 5 for _ in range(8)]
    reestimate_batch_norm(model, [(batch,) for batch in batches])
    norm = model[0]
    torch.testing.assert_close(norm.running_mean, torch.stack([b.mean(0) for b in batches]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([b.var(0) for b in batches]).mean(0))
    assert norm.momentum == 0.1
    assert not any(module.training for module in model.modules())
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, weights[name])


def test_a_second_pass_gives_the_same_statistics() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    batches = [torch.randn(16, 1, 8, 8) for _ in range(4)]
    reestimate_batch_norm(model, [(batch,) for batch in batches])
    first = copy.deepcopy(model.state_dict())
    reestimate_batch_norm(model, [(batch,) for batch in batches])
    for name, value in model.state_dict().items():
        assert torch.equal(value, first[name])
