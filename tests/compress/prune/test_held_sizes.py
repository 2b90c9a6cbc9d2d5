"""Sizes that a network's own code holds, where several of them are the same number."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from test_prune_laws import without
from torch import Tensor, nn

from compress import prune
from compress.errors import InputError


class Texts(nn.Module):
    """A BERT of 8 heads of 8, whose code views as (..., -1, attention_head_size)."""

    def __init__(self) -> None:
        from transformers import BertConfig, BertForSequenceClassification

        super().__init__()
        config = BertConfig(
            hidden_size=64,
            num_attention_heads=8,
            num_hidden_layers=2,
            intermediate_size=96,
            vocab_size=50,
        )
        self.model = BertForSequenceClassification(config)

    def forward(self, ids: Tensor) -> Tensor:
        scores: Tensor = self.model(input_ids=ids).logits
        return scores


class Scaled(nn.Module):
    """Attention of 4 heads of 4 that views by the heads and divides by the root of the size."""

    def __init__(self, heads: Any = 4) -> None:
        super().__init__()
        self.heads, self.size = heads, 4
        self.embed = nn.Linear(6, 16)
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.back, self.head = nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, values: Tensor) -> Tensor:
        rows = self.embed(values)
        batch, tokens = rows.shape[:2]
        query, key, value = (
            layer(rows).view(batch, tokens, int(self.heads), -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        weights = (query @ key.transpose(2, 3) / math.sqrt(self.size)).softmax(-1)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, tokens, -1)
        scores: Tensor = self.head((rows + self.back(mixed)).mean(1))
        return scores


def sharp(module: nn.Module) -> nn.Module:
    """With weights so large that attention is not the same everywhere."""
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if tensor.ndim == 2 and "embeddings" not in name:
                tensor.normal_(0, 2 / math.sqrt(tensor.shape[1]))
    return module.eval()


@pytest.mark.parametrize("ratio", [0.25, 0.5])
def test_of_as_many_heads_as_a_head_has_channels_heads_go_and_their_size_stays(
    ratio: float,
) -> None:
    torch.manual_seed(0)
    module, ids = sharp(Texts()), torch.randint(1, 50, (3, 7))
    pruned = prune(module, ids, ratio=ratio, keep=("*embeddings*",), importance="random")
    left = round(8 * (1 - ratio))
    for layer in range(2):
        attention = f"model.bert.encoder.layer.{layer}.attention.self"
        assert pruned.plan.attributes[attention] == {
            "num_attention_heads": left,
            "all_head_size": 8 * left,
        }
        assert pruned.module.get_submodule(attention).attention_head_size == 8
    with torch.no_grad():
        expected = without(module, pruned.plan)(ids)
        torch.testing.assert_close(pruned.module(ids), expected, atol=1e-5, rtol=1e-4)


def test_a_number_that_the_code_computes_with_stays_where_its_axis_does() -> None:
    torch.manual_seed(0)
    module, values = sharp(Scaled()), torch.randn(2, 5, 6)
    pruned = prune(module, values, ratio=0.5, keep=("embed",))
    assert pruned.plan.attributes[""] == {"heads": 2}
    with torch.no_grad():
        expected = without(module, pruned.plan)(values)
        torch.testing.assert_close(pruned.module(values), expected, atol=1e-5, rtol=1e-4)


def test_a_number_that_cant_be_set_is_refused_where_it_makes_another_network() -> None:
    """Two heads of 4 would be viewed as 4 of 2, whose outputs have the same shape."""
    with pytest.raises(InputError, match=r"gives \(2, 5, 4, 2\), where \(2, 5, 2, 4\) is left of"):
        prune(sharp(Scaled(heads="4")), torch.randn(2, 5, 6), ratio=0.5, keep=("embed",))
