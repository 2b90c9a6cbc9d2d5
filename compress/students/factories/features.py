"""Students for rows of numbers, and for features over time such as those of audio."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Perceptron(nn.Module):
    """(batch, ...) -> (batch, classes): `depth` layers of each width over the flattened row."""

    def __init__(self, *, inputs: int, classes: int, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        before = inputs
        for width in [width for width in widths for _ in range(depth)]:
            layers += [nn.Linear(before, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
            before = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(before, classes)

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.head(self.layers(rows))
        return found


class SequenceNet(nn.Module):
    """(batch, channels, time) -> (batch, classes): convolutions of 5 steps, the mean over time.

    The first layer of every width but the first halves the time.
    """

    def __init__(self, *, channels: int, classes: int, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for stage, width in enumerate(widths):
            for index in range(depth):
                stride = 2 if index == 0 and stage > 0 else 1
                layers += [
                    nn.Conv1d(before, width, 5, stride, 2, bias=False),
                    nn.BatchNorm1d(width),
                    nn.ReLU(),
                ]
                before = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(before, classes)

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.head(self.layers(rows).mean(2))
        return found
