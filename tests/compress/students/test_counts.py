"""Parameters and multiply-accumulates, by hand and against the ONNX counter."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compress.students.counts import count_macs, count_parameters


class Tied(nn.Module):
    """Two layers of one weight: 12 parameters, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
        self.two.weight = self.one.weight

    def forward(self, values: Tensor) -> Tensor:
        return self.two(self.one(values).relu())


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


def test_macs_are_those_of_convolutions_and_products() -> None:
    """(8 x 3 x 3 outputs) x (2 x 9 products) + 8 x 10; BatchNorm, ReLU and biases are free."""
    assert count_macs(network(), torch.zeros(1, 4, 6, 6)) == 8 * 9 * 18 + 80


def test_macs_are_per_sample() -> None:
    one, many = (count_macs(network(), torch.zeros(n, 4, 6, 6)) for n in (1, 7))
    assert one == many


def test_shared_parameters_count_once_and_work_twice() -> None:
    module = Tied()
    assert count_parameters(module) == 9 + 3 + 3
    assert count_macs(module, torch.zeros(1, 3)) == 18


def test_buffers_are_no_parameters() -> None:
    assert count_parameters(network()) == 8 * 2 * 9 + 2 * 8 + 8 * 10 + 10


def test_the_module_is_left_as_it_was() -> None:
    module = network().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    count_macs(module, torch.rand(3, 4, 6, 6))
    assert module.training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_attention_counts_on_a_cpu_too() -> None:
    """2 heads x 5 queries x 7 keys x (3 + 3), and nothing else."""

    class Attention(nn.Module):
        def forward(self, query: Tensor, key: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(query, key, key)

    example = torch.zeros(4, 2, 5, 3), torch.zeros(4, 2, 7, 3)
    assert count_macs(Attention(), *example) == 2 * 5 * 7 * (3 + 3)
