"""Norms of every kind between layers that become narrower."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from compress import prune
from compress.prune.saved import load_pruned, save_pruned

ROWS = [
    nn.RMSNorm(8),
    nn.RMSNorm(8, elementwise_affine=False),
    nn.LayerNorm(8),
    nn.LayerNorm(8, bias=False),
    nn.LayerNorm(8, elementwise_affine=False),
]
MAPS = [
    nn.InstanceNorm1d(8, affine=True),
    nn.InstanceNorm1d(8),
    nn.InstanceNorm1d(8, affine=True, track_running_stats=True),
    nn.BatchNorm1d(8, track_running_stats=False),
    nn.LayerNorm((8, 5), elementwise_affine=False),
]


def _between(norm: nn.Module, *, maps: bool) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    if maps:
        layers = (nn.Conv1d(3, 8, 1), nn.Conv1d(8, 2, 1))
        return nn.Sequential(layers[0], norm, nn.ReLU(), layers[1]).eval(), torch.randn(4, 3, 5)
    first, last = nn.Linear(3, 8), nn.Linear(8, 2)
    return nn.Sequential(first, norm, nn.ReLU(), last).eval(), torch.randn(4, 5, 3)


@pytest.mark.parametrize(
    ("norm", "maps"), [(n, False) for n in ROWS] + [(n, True) for n in MAPS], ids=str
)
def test_a_norm_becomes_as_narrow_as_what_it_norms(
    norm: nn.Module, maps: bool, tmp_path: Path
) -> None:
    module, values = _between(norm, maps=maps)
    pruned = prune(module, values, ratio=0.5)
    assert pruned.kept["0.weight"] == (4, 8)
    size = getattr(pruned.module[1], "normalized_shape", getattr(norm, "num_features", None))
    if size is not None and isinstance(norm, (nn.LayerNorm, nn.RMSNorm)):
        assert size == ((4, 5) if maps else (4,))
    else:
        assert pruned.module[1].num_features == 4
    kept = list(pruned.plan.tensors["0.weight"][0])
    with torch.no_grad():
        inner = module[0](values)
        inner = inner[:, kept] if maps else inner[..., kept]
        weight = module[3].weight[:, kept]
        expected = nn.functional.relu(pruned.module[1](inner))
        found = pruned.module(values)
        if maps:
            expected = nn.functional.conv1d(expected, weight, module[3].bias)
        else:
            expected = nn.functional.linear(expected, weight, module[3].bias)
        torch.testing.assert_close(found, expected)
    save_pruned(pruned, tmp_path)
    torch.testing.assert_close(load_pruned(module, tmp_path)(values), pruned.module(values))
