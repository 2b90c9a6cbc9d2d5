"""A student without attention: a vector per token, whose mean goes into a linear head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compress.students.text.encoder import Encoder
from compress.teachers.sentence_pooling import mean_pooled


class StaticEncoder(nn.Module):
    """A lookup. (batch, tokens) ids -> (batch, tokens, width); the mask is used by the pooling."""

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.table = nn.Embedding(vectors.shape[0], vectors.shape[1], _weight=vectors.clone())

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        found: Tensor = self.table(input_ids)
        return found


def token_vectors(
    encoder: Encoder, *, width: int, start: int, end: int, batch: int = 512
) -> Tensor:
    """(vocabulary, width): the teacher's answer to each token alone, between its marks start and
    end, reduced by PCA, as Model2Vec does. float32; the sign of each axis is fixed.
    """
    vocabulary = encoder.config.vocabulary
    answers = torch.empty(vocabulary, encoder.config.width)
    encoder.eval()
    with torch.no_grad():
        for first in range(0, vocabulary, batch):
            tokens = torch.arange(first, min(first + batch, vocabulary))
            ids = torch.stack(
                [torch.full_like(tokens, start), tokens, torch.full_like(tokens, end)]
            )
            mask = torch.ones(len(tokens), 3, dtype=torch.int64)
            answers[tokens] = mean_pooled(encoder(ids.T, mask), mask)
    return principal_axes(answers, width)


def principal_axes(vectors: Tensor, width: int) -> Tensor:
    """(n, width) coordinates along the axes of largest variance. vectors: (n, d), width <= d."""
    centred = (vectors - vectors.mean(0)).double()
    _, axes = torch.linalg.eigh(centred.T @ centred)
    chosen = axes.flip(1)[:, :width]
    signs = chosen.gather(0, chosen.abs().argmax(0, keepdim=True)).sign()
    reduced: Tensor = centred @ (chosen * signs)
    return reduced.float()
