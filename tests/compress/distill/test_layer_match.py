"""Which layers of two networks can be compared."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from compress.distill.adapters import make_adapter
from compress.distill.layer_match import deepest_alike
from compress.distill.taps import Taps
from compress.recipe.loss_needs import Tap


class Stages(nn.Module):
    """Maps of 8x8, 4x4 and 2x2 as far as `widths` go, pooled to logits."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.stages = nn.Sequential()
        before = 1
        for width in widths:
            self.stages.append(nn.Sequential(nn.Conv2d(before, width, 3, 2, 1), nn.ReLU()))
            before = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(before, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.pool(self.stages(images)).flatten(1))


class Tagger(nn.Module):
    """Tokens in, scores of each token out."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.table = nn.Embedding(20, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 2, 8, batch_first=True) for _ in range(layers)
        )
        self.head = nn.Linear(width, 5)

    def forward(self, ids: Tensor) -> Tensor:
        hidden = self.table(ids)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.head(hidden)


IMAGES = torch.randn(2, 1, 16, 16)


def test_the_deepest_maps_of_equal_height_and_width_are_found() -> None:
    assert deepest_alike(Stages(2, 3), Stages(4, 5, 6), (IMAGES,)) == ("stages.1.1", "stages.1.1")
    assert deepest_alike(Stages(2, 3, 4), Stages(4, 5), (IMAGES,)) == ("stages.1.1", "stages.1.1")


def test_pooled_vectors_and_other_maps_are_not_alike() -> None:
    coarse = nn.Sequential(nn.Conv2d(1, 2, 5, 5), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert deepest_alike(coarse, Stages(4, 5), (IMAGES,)) is None


@pytest.mark.parametrize("own", [4, 8])
def test_tokens_are_compared_at_the_last_layer_before_the_answers(own: int) -> None:
    ids = torch.randint(0, 20, (2, 7))
    student, teacher = Tagger(own, 1), Tagger(8, 3)
    found = deepest_alike(student, teacher, (ids,))
    assert found == ("layers.0", "layers.2")


def test_what_is_found_can_be_tapped_and_adapted() -> None:
    student, teacher = Stages(2, 3), Stages(4, 5, 6)
    found = deepest_alike(student, teacher, (IMAGES,))
    assert found is not None
    taps = Taps(student, found[:1], side="student"), Taps(teacher, found[1:], side="teacher")
    student(IMAGES), teacher(IMAGES)
    (own,), (theirs,) = taps[0].read().values(), taps[1].read().values()
    tap = Tap(student=found[0], teacher=found[1], adapted=True)
    assert make_adapter(tap, own, theirs, seed=0)(own).shape == theirs.shape


def test_nothing_is_left_on_the_networks() -> None:
    student = Stages(2, 3)
    deepest_alike(student, Stages(2), (IMAGES,))
    assert all(not module._forward_hooks for module in student.modules())
