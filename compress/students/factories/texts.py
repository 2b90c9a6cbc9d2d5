"""Text students over the tokens that the training texts use: an encoder, and convolutions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from compress.students.text.encoder import (
    Encoder,
    EncoderConfig,
    TextClassifier,
    bert_beginning,
)
from compress.students.text.smaller import PrunedEmbedding
from compress.tasks.data import Task
from compress.tasks.text_tokenizer import sizes_of

HEAD_WIDTH = 32  # of an attention head, as in MiniLM
_INNER = 4  # times the width: of the feed-forward network


def text_encoder(task: Task, *, width: int, depth: int) -> nn.Module:
    """A small BERT with mean pooling. (batch, tokens) ids and mask -> (batch, classes)."""
    heads = max(1, width // HEAD_WIDTH)
    vocabulary, tokens = _sizes(task)
    config = EncoderConfig(
        vocabulary=2,  # a table of the tokens in use takes its place
        width=width - width % heads,
        layers=depth,
        heads=heads,
        inner=_INNER * width,
        positions=tokens,
    )
    encoder = Encoder(config)
    encoder.embeddings.word_embeddings = _table(task, vocabulary, config.width)
    encoder.apply(bert_beginning)
    return TextClassifier(encoder, width=config.width, classes=len(task.classes))


def text_convolution(task: Task, *, widths: Sequence[int], depth: int) -> nn.Module:
    """Token vectors, convolutions over three tokens, mean pooling: the same inputs and outputs."""
    vocabulary, _ = _sizes(task)
    encoder = Convolutions(_table(task, vocabulary, widths[0]), widths=widths, depth=depth)
    return TextClassifier(encoder, width=widths[-1], classes=len(task.classes))


class Convolutions(nn.Module):
    """(batch, tokens) ids and mask -> (batch, tokens, width). Padding changes no answer."""

    def __init__(self, table: nn.Module, *, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        self.table = table
        chain = [widths[0], *(width for width in widths for _ in range(depth))]
        self.layers = nn.ModuleList(
            nn.Conv1d(before, after, 3, 1, 1) for before, after in itertools.pairwise(chain)
        )
        self.relu = nn.ReLU()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden: Tensor = self.table(input_ids).transpose(1, 2)
        real = attention_mask.to(hidden.dtype)[:, None, :]
        hidden = hidden * real
        for layer in self.layers:
            mixed = self.relu(layer(hidden))
            # What lies beyond a text is zero, as what lies beyond the padded row is.
            hidden = (mixed + hidden if mixed.shape == hidden.shape else mixed) * real
        return hidden.transpose(1, 2)


def _table(task: Task, vocabulary: int, width: int) -> PrunedEmbedding:
    """A row per token that is in two training texts or more; the others share one, so that it is
    trained too."""
    assert task.padding is not None
    counts = np.bincount(task.train.inputs.reshape(-1).astype(np.int64), minlength=vocabulary)
    kept = np.flatnonzero(counts > 1).tolist()
    rare = np.flatnonzero(counts == 1)
    unknown = int(rare[0]) if len(rare) else task.padding
    return PrunedEmbedding(nn.Embedding(vocabulary, width), kept, unknown=unknown)


def _sizes(task: Task) -> tuple[int, int]:
    """(ids, tokens of a text at most) of the task's tokenizer."""
    assert task.tokenizer is not None
    return sizes_of(task.tokenizer)
