"""A user's own data and networks: squares, crosses and stripes on noise, 16 x 16 pixels, grey."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from compress.tasks.data import ArrayData

SIDE = 16


def _images(
    count: int, seed: int, ink_of: tuple[int, int] = (60, 150)
) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.integers(0, 90, (count, 1, SIDE, SIDE))
    for image, label in zip(images, labels, strict=True):
        top, left = random.integers(1, SIDE - 8, 2)
        patch = image[0, top : top + 7, left : left + 7]
        ink = int(random.integers(*ink_of))
        if label == 0:
            patch[[0, -1], :] += ink
            patch[:, [0, -1]] += ink
        elif label == 1:
            patch[3, :] += ink
            patch[:, 3] += ink
        else:
            patch[::2, :] += ink
    return np.clip(images, 0, 255).astype(np.uint8), labels.astype(np.int64)


def data() -> ArrayData:
    return ArrayData(
        train=_images(768, seed=1),
        validation=_images(300, seed=2),
        test=_images(400, seed=3),
        classes=("square", "cross", "stripes"),
    )


def faint() -> ArrayData:
    """Fainter ones, that small networks get wrong more often than larger ones do."""
    return ArrayData(
        train=_images(6000, seed=1, ink_of=(15, 45)),
        validation=_images(1500, seed=2, ink_of=(15, 45)),
        test=_images(1500, seed=3, ink_of=(15, 45)),
        classes=("square", "cross", "stripes"),
    )


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
        )
        self.head = nn.Linear(2 * width * 16, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images).flatten(1))


def teacher() -> nn.Module:
    return Net(32)


def student() -> nn.Module:
    return Net(8)


class Block(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut = nn.Conv2d(channels, width, 1, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.inner(images) + self.shortcut(images))


def deep() -> nn.Module:
    """For faint ones: 95 % after ten epochs, where `teacher` has 83 %."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 1, 1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Block(16, 16),
        Block(16, 32),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 3),
    )


class Plain(nn.Module):
    """Nothing in it looks at other samples: no BatchNorm."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.inner, self.dropout = nn.Linear(SIDE * SIDE, 32), nn.Dropout(dropout)
        self.head = nn.Linear(32, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(torch.relu(self.inner(images.flatten(1)))))


def plain() -> nn.Module:
    return Plain(0.0)


def dropping() -> nn.Module:
    return Plain(0.5)


class Exploding(nn.Module):
    """Gives logits that are not finite after a few steps."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(SIDE * SIDE, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.calls += 1
        scores = self.head(images.flatten(1))
        return scores * torch.where(self.calls > 3, torch.inf, 1.0)


def exploding() -> nn.Module:
    return Exploding()


class Failing(Exploding):
    """Raises in training, after a few steps."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = super().forward(images)
        if self.training and self.calls > 3:
            raise ValueError("no more\nthan three steps")
        return scores


def failing() -> nn.Module:
    return Failing()
