"""The networks of the Fashion-MNIST example: one residual family, from teacher to student."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2016)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, images: Tensor) -> Tensor:
        hidden = functional.relu(self.norm1(self.conv1(images)))
        hidden = self.norm2(self.conv2(hidden))
        return functional.relu(hidden + self.shortcut(images))


class ResidualNet(nn.Module):
    """images: (batch, 1, height, width) in [0, 1] -> logits: (batch, classes).

    stem: channels of the first convolution. Every stage but the first halves height and width;
    the first does so too where `first_stride` is 2.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        blocks: int,
        *,
        stem: int | None = None,
        first_stride: int = 1,
        classes: int = 10,
        mean: float = 0.286,
        std: float = 0.353,
    ) -> None:
        super().__init__()
        self.mean, self.std = mean, std
        channels = widths[0] if stem is None else stem
        self.stem = nn.Sequential(
            nn.Conv2d(1, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        layers: list[nn.Module] = []
        for stage, width in enumerate(widths):
            for index in range(blocks):
                stride = (first_stride if stage == 0 else 2) if index == 0 else 1
                layers.append(ResidualBlock(channels, width, stride))
                channels = width
        self.stages = nn.Sequential(*layers)
        self.head = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.stages(self.stem((images - self.mean) / self.std))
        return self.head(hidden.mean((2, 3)))


def teacher() -> nn.Module:
    """0.70 M parameters, 81 million multiply-accumulates."""
    return ResidualNet((32, 64, 128), 2)


def teacher_small() -> nn.Module:
    """0.17 M parameters: a size tried for the teacher."""
    return ResidualNet((16, 32, 64), 2)


def teacher_tiny() -> nn.Module:
    """0.08 M parameters: a size tried for the teacher."""
    return ResidualNet((16, 32, 64), 1)


def student() -> nn.Module:
    """One block per stage, all at 14 x 14 pixels and below: what the demo can train in minutes."""
    return ResidualNet((16, 64, 96), 1, first_stride=2)


def student_best() -> nn.Module:
    """Two blocks in each of two stages: more accurate, and slower to train and to run."""
    return ResidualNet((48, 64), 2, stem=16, first_stride=2)


def student_study() -> nn.Module:
    """0.05 M parameters, 2.4 million multiply-accumulates: the student of study.py."""
    return ResidualNet((16, 32, 48), 1, stem=16, first_stride=2)
