"""A recurrent toy teacher and streams on which it is right, on every frame."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from compress.tasks import StreamData

KEPT = 0.8  # of the state, from frame to frame
Streams = tuple[list[np.ndarray], list[np.ndarray]]


def _streams(count: int, seed: int) -> Streams:
    """3 numbers a frame; the class is the largest of their leaky sums, which no frame shows."""
    random = np.random.default_rng(seed)
    features, labels = [], []
    for _ in range(count):
        stream = random.normal(size=(int(random.integers(2, 24)), 3)).astype(np.float32)
        state, named = np.zeros(3), []
        for frame in stream:
            state = KEPT * state + (1 - KEPT) * np.tanh(frame)
            named.append(int(state.argmax()))
        features.append(stream)
        labels.append(np.array(named))
    return features, labels


def stream_data() -> StreamData:
    return StreamData(
        train=_streams(120, 1),
        validation=_streams(40, 2),
        test=_streams(20, 3),
        classes=("a", "b", "c"),
    )


class Recurrent(nn.Module):
    """(batch, frames, 3) and a mask, which a network that reads forwards has no use for."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(3, width, batch_first=True)
        self.head = nn.Linear(width, 3)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.gru(features)[0])


def leaky_teacher(*, kept: float = KEPT) -> Recurrent:
    """Its state is the leaky sum itself: n = tanh(x), z = kept."""
    module = Recurrent(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
        module.gru.weight_ih_l0[6:] = torch.eye(3)
        module.gru.bias_ih_l0[3:6] = math.log(kept / (1 - kept))
        module.head.weight.copy_(20 * torch.eye(3))
    return module
