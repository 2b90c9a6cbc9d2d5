"""Image students: residual blocks, and separable ones for processors that run them fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2016)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(channels_in, channels_out, 3, stride),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            _convolution(channels_out, channels_out, 3, 1),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = _shortcut(channels_in, channels_out, stride)
        self.relu = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.relu(self.body(images) + self.shortcut(images))
        return found


class SeparableBlock(nn.Module):
    """A depthwise 3x3 and a pointwise convolution (Howard et al., 2017), with a shortcut where
    nothing changes its shape."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(channels_in, channels_in, 3, stride, groups=channels_in),
            nn.BatchNorm2d(channels_in),
            nn.ReLU(),
            _convolution(channels_in, channels_out, 1, 1),
            nn.BatchNorm2d(channels_out),
        )
        self.adds = stride == 1 and channels_in == channels_out
        self.relu = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.body(images)
        found: Tensor = self.relu(hidden + images if self.adds else hidden)
        return found


class ImageNet(nn.Module):
    """(batch, channels, height, width) -> (batch, classes) logits.

    Every stage but the first halves height and width. stride 2: the first does so too; 4: so does
    the stem. The first normalisation learns the scale of the images: no mean or deviation is set.
    """

    def __init__(
        self,
        block: Literal["residual", "depthwise"],
        *,
        channels: int,
        classes: int,
        widths: Sequence[int],
        depth: int,
        stem: int,
        stride: int,
    ) -> None:
        super().__init__()
        make: Callable[[int, int, int], nn.Module] = (
            ResidualBlock if block == "residual" else SeparableBlock
        )
        self.stem = nn.Sequential(
            _convolution(channels, stem, 3, 2 if stride == 4 else 1),
            nn.BatchNorm2d(stem),
            nn.ReLU(),
        )
        layers: list[nn.Module] = []
        before = stem
        for stage, width in enumerate(widths):
            for index in range(depth):
                shrinks = index == 0 and (stage > 0 or stride > 1)
                layers.append(make(before, width, 2 if shrinks else 1))
                before = width
        self.stages = nn.Sequential(*layers)
        self.head = nn.Linear(before, classes)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.head(self.stages(self.stem(images)).mean((2, 3)))
        return found


def _convolution(
    channels_in: int, channels_out: int, kernel: int, stride: int, *, groups: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(
        channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False
    )


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    return nn.Sequential(
        _convolution(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out)
    )
