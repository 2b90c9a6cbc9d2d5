"""Which parts of a teacher a search may look at."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from compress.pipeline.teacher_parts import can_be_narrower


class Fourier(nn.Module):
    """An operator without a rule between the layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 32), nn.Linear(32, 3)

    def forward(self, values: Tensor) -> Tensor:
        scores: Tensor = self.second(torch.fft.fft(self.first(values)).real)
        return scores


def _plain(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 3))


@pytest.mark.parametrize(
    ("module", "narrower"),
    [(_plain(32), True), (_plain(8), False), (Fourier(), False)],
    ids=["wide", "one-block", "frozen"],
)
def test_a_narrower_teacher_is_one_of_which_something_can_go(
    module: nn.Module, narrower: bool
) -> None:
    assert can_be_narrower(module, (torch.randn(2, 6),)) is narrower
