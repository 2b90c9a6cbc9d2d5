"""Streams of any length with an answer per frame: rows of features with a mark where frames end.

A row is (frames, features + 1): the last column is 1 where a frame is real and 0 where the row is
padded, so that a row says by itself how long its stream is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)
FRAME_INPUTS = ("features", "mask")


def pack_streams(streams: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """(frames, features) each -> (n, longest, features + 1), padded with zeros."""
    longest = max(len(stream) for stream in streams)
    rows = np.zeros((len(streams), longest, streams[0].shape[1] + 1), dtype=np.float32)
    for row, stream in zip(rows, streams, strict=True):
        row[: len(stream), :-1] = stream
        row[: len(stream), -1] = 1
    return rows


def frame_counts(rows: NDArray[np.generic]) -> NDArray[np.int64]:
    """Real frames of each row. (n, frames, features + 1) -> (n,)."""
    counts: NDArray[np.int64] = np.asarray(rows[:, :, -1] != 0).sum(axis=1, dtype=np.int64)
    return counts


def collate_frames(rows: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """features (n, longest, features) float32 and mask (n, longest) int64, of some rows."""
    longest = int(frame_counts(rows).max())
    cut = rows[:, :longest]
    made: tuple[NDArray[np.generic], ...] = (
        np.ascontiguousarray(cut[:, :, :-1], dtype=np.float32),
        cut[:, :, -1].astype(np.int64),
    )
    return dict(zip(FRAME_INPUTS, made, strict=True))


def stream_offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each stream begins among all frames, and where the last ends: (n,) -> (n + 1,)."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])


def frames_of(offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places, among all frames, of the frames of some streams, stream after stream."""
    return np.concatenate([np.arange(offsets[row], offsets[row + 1]) for row in rows])


def real_frames(padded: NDArray[Number], counts: NDArray[np.int64]) -> NDArray[Number]:
    """Without padding, stream after stream: (n, longest, ...) -> (all frames, ...)."""
    return padded[np.arange(padded.shape[1])[None, :] < counts[:, None]]


def padded_frames(
    flat: NDArray[np.float32], offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Some streams of (all frames, width) as (rows, longest, width), zero where padded."""
    counts = offsets[rows + 1] - offsets[rows]
    made = np.zeros((len(rows), int(counts.max()), flat.shape[1]), dtype=np.float32)
    for to, row, count in zip(made, rows, counts, strict=True):
        to[:count] = flat[offsets[row] : offsets[row] + count]
    return made
