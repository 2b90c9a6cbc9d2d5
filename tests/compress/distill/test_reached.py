"""Parameters that a loss leaves out still get a gradient, of zero."""

from __future__ import annotations

import torch
from torch import nn

from compress.distill.reached import reaching_all


def test_what_is_left_out_gets_a_gradient_of_zero_and_the_rest_keeps_its_own() -> None:
    torch.manual_seed(0)
    used, beside, frozen = nn.Linear(3, 2), nn.Linear(2, 2), nn.Linear(2, 2)
    frozen.requires_grad_(requires_grad=False)
    network = nn.ModuleList([used, beside, frozen])
    loss = used(torch.randn(4, 3)).square().mean()
    wanted = torch.autograd.grad(loss, list(used.parameters()), retain_graph=True)
    same, left_out = reaching_all(loss, network.parameters())
    assert torch.equal(same, loss)
    assert list(map(id, left_out)) == list(map(id, beside.parameters()))
    same.backward()
    for parameter, gradient in zip(used.parameters(), wanted, strict=True):
        assert torch.equal(parameter.grad, gradient)
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in beside.parameters())
    assert all(p.grad is None for p in frozen.parameters())


def test_a_loss_that_reaches_all_is_left_as_it_is() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    loss = network(torch.ones(2, 3)).sum()
    same, left_out = reaching_all(loss, network.parameters())
    assert same is loss
    assert left_out == ()
