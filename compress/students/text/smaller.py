"""Smaller encoders that inherit weights: fewer layers, tokens, or feed-forward units."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from compress.errors import InputError
from compress.prune.spacing import kept_layers as kept_layers
from compress.students.text.encoder import Encoder


def truncated(encoder: Encoder, *, layers: int) -> Encoder:
    """A copy with evenly spaced layers of it. encoder is left as it was."""
    total = len(encoder.layers)
    if not 1 <= layers <= total:
        raise InputError(f"has {total} layers, {layers} can't be kept", where="student.layers")
    made = Encoder(replace(encoder.config, layers=layers))
    made.embeddings.load_state_dict(encoder.embeddings.state_dict())
    for target, source in zip(made.layers, kept_layers(total, layers), strict=True):
        target.load_state_dict(encoder.layers[source].state_dict())
    return made.train(encoder.training)


def with_inner(encoder: Encoder, *, inner: int) -> Encoder:
    """A copy whose feed-forward networks keep `inner` units: those with the largest product of the
    norms of what they read and what they write. encoder is left as it was.
    """
    config = encoder.config
    if not 1 <= inner <= config.inner:
        what = f"has {config.inner} feed-forward units, {inner} can't be kept"
        raise InputError(what, where="student.inner")
    made = Encoder(replace(config, inner=inner))
    made.embeddings = copy.deepcopy(encoder.embeddings)
    for target, source in zip(made.layers, encoder.layers, strict=True):
        state = source.state_dict()
        reads, writes = state["intermediate.dense.weight"], state["output.dense.weight"]
        weight = torch.linalg.vector_norm(reads, dim=1) * torch.linalg.vector_norm(writes, dim=0)
        kept = weight.argsort(descending=True, stable=True)[:inner].sort().values
        state["intermediate.dense.weight"] = reads[kept]
        state["intermediate.dense.bias"] = state["intermediate.dense.bias"][kept]
        state["output.dense.weight"] = writes[:, kept]
        target.load_state_dict(state)
    return made.train(encoder.training)


class PrunedEmbedding(nn.Module):
    """An embedding of some tokens: ids are those of the whole vocabulary, the rest share a row."""

    def __init__(self, embedding: nn.Embedding, kept: Sequence[int], *, unknown: int) -> None:
        super().__init__()
        ids = sorted({*kept, unknown})
        rows = torch.full((embedding.num_embeddings,), ids.index(unknown), dtype=torch.int32)
        rows[torch.tensor(ids)] = torch.arange(len(ids), dtype=torch.int32)
        self.rows: Tensor
        self.register_buffer("rows", rows)
        self.table = nn.Embedding(len(ids), embedding.embedding_dim)
        with torch.no_grad():
            self.table.weight.copy_(embedding.weight[torch.tensor(ids)])

    def forward(self, input_ids: Tensor) -> Tensor:
        found: Tensor = self.table(self.rows[input_ids])
        return found


def with_vocabulary(encoder: Encoder, kept: Sequence[int], *, unknown: int) -> Encoder:
    """A copy that knows the kept tokens and takes every other for `unknown`; ids stay as they were.

    On texts of kept tokens alone its answers are the encoder's.
    """
    made = copy.deepcopy(encoder)
    embedding = made.embeddings.word_embeddings
    assert isinstance(embedding, nn.Embedding)
    made.embeddings.word_embeddings = PrunedEmbedding(embedding, kept, unknown=unknown)
    return made
