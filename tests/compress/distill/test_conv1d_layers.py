"""Layers of one-dimensional convolutions: (batch, channels, time), and what is learnt from them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from compress.distill.layer_match import deepest_alike
from compress.distill.learner import Learner, make_learner
from compress.distill.losses.hint import hint
from compress.distill.objective import build_objective
from compress.distill.places import gives_channels_first
from compress.distill.step import Features
from compress.distill.taps import Taps
from compress.distill.teaching import OnlineTeacher
from compress.recipe.loss_needs import taps_of
from compress.recipe.loss_nodes import LossNode

NODES: TypeAdapter[Any] = TypeAdapter(LossNode)
PAIR = {"student": "inner", "teacher": "inner"}
WAVES = torch.randn(6, 1, 40, generator=torch.Generator().manual_seed(0))


class Waves(nn.Module):
    """(batch, 1, time) -> `inner`, (batch, channels, time / 2) -> three scores."""

    def __init__(self, channels: int, *, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.inner = nn.Sequential(
            nn.Conv1d(1, channels, 5, 2, 2), nn.BatchNorm1d(channels), nn.ReLU()
        )
        self.head = nn.Linear(channels, 3)

    def forward(self, waves: Tensor) -> Tensor:
        scores: Tensor = self.head(self.inner(waves).mean(-1))
        return scores


def learnt(node: dict[str, Any]) -> tuple[Learner, Tensor, dict[str, Tensor]]:
    """The learner, the loss of a step, and the teacher's features by name."""
    loss = NODES.validate_python(node)
    student, other = Waves(4), Waves(8, seed=1)
    teacher = OnlineTeacher(network=other, taps=taps_of(loss))
    learner = make_learner(student, teacher, taps=taps_of(loss), example=(WAVES[:2],), seed=0)
    scores, own, _ = learner.eval()(WAVES)
    taught = teacher((WAVES,))
    features = Features(pairs=learner.pairs(own, taught.features))
    target = torch.zeros(len(WAVES), dtype=torch.int64)
    value = build_objective(loss)(scores, target, taught.scores, features=features)
    return learner, value.detach(), {**dict(taught.features), "own": own[0].detach()}


def test_a_hint_adapts_channels_at_each_time() -> None:
    learner, value, seen = learnt({"kind": "hint", "layers": [PAIR], "weight": 1.0})
    (adapter,) = learner.adapters
    assert isinstance(adapter, nn.Linear)
    assert adapter.weight.shape == (8, 4)
    with torch.no_grad():
        wanted = torch.einsum("bct,oc->bto", learner.student.inner(WAVES), adapter.weight)
    torch.testing.assert_close(seen["own"], wanted)
    assert seen["inner"].shape == (6, 20, 8)
    assert float(value) == pytest.approx(float(hint(wanted, seen["inner"])))


def test_vectors_of_samples_are_means_over_time() -> None:
    _, value, seen = learnt({"kind": "rkd", "layers": [PAIR]})
    vectors = NODES.validate_python({"kind": "rkd"})
    student, teacher = seen["own"].mean(1), seen["inner"].mean(1)
    assert student.shape == (6, 4)
    wanted = build_objective(vectors)(student, torch.zeros(6, dtype=torch.int64), teacher)
    assert float(value) == pytest.approx(float(wanted), rel=1e-5)


def test_the_deepest_layers_of_equal_times_are_found_and_can_be_tapped() -> None:
    student, teacher = Waves(4), Waves(8)
    found = deepest_alike(student, teacher, (WAVES,))
    assert found == ("inner", "inner")
    taps = Taps(student, found[:1], side="student")
    student(WAVES)
    assert taps.read()["inner"].shape == (6, 20, 4)
    # Channels alike are no places alike.
    shorter = nn.Sequential(nn.Conv1d(1, 4, 5, 4), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    assert deepest_alike(shorter, nn.Sequential(Waves(4).inner, nn.Flatten()), (WAVES,)) is None


def test_a_block_with_layers_of_tokens_gives_tokens() -> None:
    block = nn.ModuleList([nn.LayerNorm(8), nn.Conv1d(8, 8, 3), nn.Linear(8, 8)])
    assert not gives_channels_first(block)
    assert not gives_channels_first(nn.ReLU())
    assert gives_channels_first(Waves(4).inner)
