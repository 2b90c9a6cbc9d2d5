"""Small networks with everything that makes channels hang together."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

TOOLS = Path(__file__).parents[3] / "tools"


def tool(name: str) -> ModuleType:
    """A file of tools/, which is no package."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(maps + self.second(torch.relu(self.norm(self.first(maps)))))


class Everything(nn.Module):
    """Residuals, depthwise and grouped convolutions, a concatenation, a layer that is used twice,
    squeeze and excite, and a linear layer on flattened maps."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.body = nn.Sequential(Residual(16), Residual(16))
        self.deep = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.down = nn.Conv2d(16, 24, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(24, 24, 3, padding=1, groups=4)
        self.squeeze, self.excite = nn.Conv2d(24, 8, 1), nn.Conv2d(8, 24, 1)
        self.twice = nn.Conv2d(48, 48, 1)
        self.head = nn.Linear(48 * 4, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.down(torch.relu(self.deep(self.body(torch.relu(self.stem(images))))))
        scale = self.excite(torch.relu(self.squeeze(maps.mean((2, 3), keepdim=True))))
        maps = torch.cat([maps * torch.sigmoid(scale), torch.relu(self.grouped(maps))], dim=1)
        maps = torch.relu(self.twice(torch.relu(self.twice(maps))))
        return self.head(nn.functional.adaptive_avg_pool2d(maps, 2).flatten(1))


def everything() -> tuple[Everything, Tensor]:
    torch.manual_seed(0)
    module = Everything().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = torch.rand(part.num_features)
            part.running_var = 1 + torch.rand(part.num_features)
    return module, torch.randn(3, 3, 12, 12)


class Hourglass(nn.Module):
    """A transposed convolution, a skip and a pixel shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.down, self.up = nn.Conv2d(16, 32, 3, 2, 1), nn.ConvTranspose2d(32, 16, 2, 2)
        self.join, self.wide = nn.Conv2d(32, 16, 3, padding=1), nn.Conv2d(16, 64, 3, padding=1)
        self.out = nn.Conv2d(16, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = torch.relu(self.stem(images))
        low = torch.relu(self.up(torch.relu(self.down(maps))))
        maps = torch.relu(self.join(torch.cat([maps, low], dim=1)))
        return self.out(nn.functional.pixel_shuffle(torch.relu(self.wide(maps)), 2))


class Fused(nn.Module):
    """Attention with one layer for query, key and value, split by a size that the module holds, and
    a norm of each head, in plain torch."""

    def __init__(self) -> None:
        super().__init__()
        self.width, self.heads = 24, 4
        self.embed = nn.Linear(6, 24)
        self.three = nn.Linear(24, 72)
        self.scale = nn.Parameter(torch.ones(6))
        self.back, self.head = nn.Linear(24, 24), nn.Linear(24, 2)

    def forward(self, values: Tensor) -> Tensor:
        rows = self.embed(values)
        batch, tokens = rows.shape[:2]
        query, key, value = (
            part.view(batch, tokens, self.heads, 6).transpose(1, 2)
            for part in self.three(rows).split(self.width, dim=2)
        )
        weights = (query * self.scale @ key.transpose(2, 3) / 6**0.5).softmax(-1)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, tokens, self.width)
        return self.head((rows + self.back(mixed)).mean(1))
