"""Rows of token ids, and what a network is given of them: only as many columns as the longest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

TOKEN_INPUTS = ("input_ids", "attention_mask")
_AT_ONCE = 65_536  # rows


def token_counts(rows: NDArray[np.generic], *, padding: int) -> NDArray[np.int64]:
    """Tokens of each row up to its last that is no padding, at least 1. (n, tokens) -> (n,).

    An empty text counts 1, so that a mean over its tokens exists.
    """
    counts = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), _AT_ONCE):  # a whole split may be mapped from a file
        part = slice(start, start + _AT_ONCE)
        real = rows[part] != padding
        behind = real[:, ::-1].argmax(axis=1)
        counts[part] = np.where(real.any(axis=1), rows.shape[1] - behind, 1)
    return counts


def collate_tokens(
    rows: NDArray[np.generic], *, padding: int, tokens: int | None = None
) -> dict[str, NDArray[np.generic]]:
    """input_ids and attention_mask, int64 (n, longest); with `tokens`, cut or padded to that many.

    rows: (n, at most) token ids, n >= 1.
    """
    counts = token_counts(rows, padding=padding)
    width = int(counts.max()) if tokens is None else tokens
    ids = np.full((len(rows), width), padding, dtype=np.int64)
    kept = min(width, rows.shape[1])
    ids[:, :kept] = rows[:, :kept]
    mask = np.arange(width)[None, :] < counts[:, None]
    made: Mapping[str, NDArray[np.generic]] = dict(
        zip(TOKEN_INPUTS, (ids, mask.astype(np.int64)), strict=True)
    )
    return dict(made)
