"""A BERT encoder in plain torch, with the names of the transformers library: it reads its files."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress.teachers.sentence_pooling import mean_pooled

_BEGINNING = 0.02  # standard deviation of weights, as in BERT
_MASKED = -1e4  # finite in float16 and bfloat16, and small in quantized ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Sizes of an encoder. Dropout is that of training alone."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    inner: int  # of the feed-forward network
    positions: int = 512
    types: int = 2
    epsilon: float = 1e-12
    dropout: float = 0.1


class Encoder(nn.Module):
    """Devlin et al. (2019), post-norm. (batch, tokens) ids and mask -> (batch, tokens, width)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = nn.ModuleDict(
            {"layer": nn.ModuleList(_Layer(config) for _ in range(config.layers))}
        )

    @property
    def layers(self) -> nn.ModuleList:
        found = self.encoder["layer"]
        assert isinstance(found, nn.ModuleList)
        return found

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden: Tensor = self.embeddings(input_ids)
        bias = (1.0 - attention_mask.to(hidden.dtype))[:, None, None, :] * _MASKED
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return hidden


def bert_beginning(module: nn.Module) -> None:
    """For `apply`, on an encoder that is to be trained from nothing: weights as BERT's begin.

    Normal, of standard deviation 0.02, where torch's own beginning of an embedding, 1, has
    positions drown the tokens.
    """
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=_BEGINNING)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


class TextEmbedder(nn.Module):
    """An encoder and mean pooling. (batch, tokens) twice -> (batch, width)."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return mean_pooled(self.encoder(input_ids, attention_mask), attention_mask)


class TextClassifier(nn.Module):
    """An encoder, mean pooling, and a linear head. (batch, tokens) twice -> (batch, classes)."""

    def __init__(self, encoder: nn.Module, *, width: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        pooled = mean_pooled(self.encoder(input_ids, attention_mask), attention_mask)
        scores: Tensor = self.head(pooled)
        return scores


class _Embeddings(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.word_embeddings: nn.Module = nn.Embedding(config.vocabulary, config.width)
        self.position_embeddings = nn.Embedding(config.positions, config.width)
        self.token_type_embeddings = nn.Embedding(config.types, config.width)
        self.LayerNorm = nn.LayerNorm(config.width, eps=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, input_ids: Tensor) -> Tensor:
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        summed = self.word_embeddings(input_ids) + self.position_embeddings(positions)
        found: Tensor = self.dropout(self.LayerNorm(summed + self.token_type_embeddings.weight[0]))
        return found


class _Layer(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict(
                    {name: nn.Linear(width, width) for name in ("query", "key", "value")}
                ),
                "output": _Sum(width, width, config),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, config.inner)})
        self.output = _Sum(config.inner, width, config)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        projections = self.attention["self"]
        assert isinstance(projections, nn.ModuleDict)
        query, key, value = (
            self._split(projections[name](hidden)) for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + bias
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        attended = self.attention["output"](mixed, hidden)
        inner = nn.functional.gelu(self.intermediate["dense"](attended))
        found: Tensor = self.output(inner, attended)
        return found

    def _split(self, projected: Tensor) -> Tensor:
        """(batch, tokens, width) -> (batch, heads, tokens, width / heads)."""
        batch, tokens, width = projected.shape
        parts = projected.view(batch, tokens, self.heads, width // self.heads)
        return parts.transpose(1, 2)


class _Sum(nn.Module):
    """Projected, added to what it came from, and normalised."""

    def __init__(self, inputs: int, width: int, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inputs: Tensor, residual: Tensor) -> Tensor:
        found: Tensor = self.LayerNorm(self.dropout(self.dense(inputs)) + residual)
        return found
