"""Augmentation of recordings in memory, replayed exactly from (seed, view, sample id)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.tasks.counter import uniform

NOISE_SPAN_DB = 30.0  # a sample's signal-to-noise ratio lies at most this far above the least


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioAugmentation:
    """Shift in time, gain, white noise. log_mel: rows are ln(1 + power / floor), not waveforms."""

    shift_steps: int = 0  # of the last axis: earlier or later by at most this
    gain_db: float = 0.0
    noise_db: float | None = None
    log_mel: bool = False

    @property
    def is_identity(self) -> bool:
        return self.shift_steps == 0 and self.gain_db == 0.0 and self.noise_db is None


def augment_audio(
    rows: NDArray[np.float32],
    spec: AudioAugmentation,
    *,
    seed: int,
    view: int,
    sample_ids: NDArray[np.int64],
) -> NDArray[np.float32]:
    """One view of a batch: (n, channels, time) -> same shape. What a shift brings in is silence."""
    if spec.is_identity:
        return rows
    draw = uniform(seed, view, sample_ids, draws=3)
    if spec.shift_steps:
        steps = np.floor(draw[:, 0] * (2 * spec.shift_steps + 1)).astype(int) - spec.shift_steps
        rows = _shifted(rows, steps)
    if spec.gain_db:
        gains = 10 ** ((2 * draw[:, 1] - 1) * spec.gain_db / 20)
        rows = _louder(rows, gains[:, None, None], log_mel=spec.log_mel)
    if spec.noise_db is not None:
        ratios_db = spec.noise_db + NOISE_SPAN_DB * draw[:, 2]
        rows = white_noise(rows, ratios_db, seeds=[(seed, view, int(one)) for one in sample_ids])
    return rows


def white_noise(
    rows: NDArray[np.float32], ratios_db: NDArray[np.float64], *, seeds: list[tuple[int, ...]]
) -> NDArray[np.float32]:
    """Rows (n, ...) with Gaussian noise `ratios_db` (n,) below the mean power of each.

    The noise of a row depends on its seeds alone, not on the rows beside it.
    """
    made = np.array(rows, dtype=np.float32)
    for row, ratio_db, one in zip(made, ratios_db, seeds, strict=True):
        noise = np.random.default_rng(one).standard_normal(row.shape, dtype=np.float32)
        level = np.sqrt(np.square(row, dtype=np.float64).mean() * 10 ** (-ratio_db / 10))
        row += noise * np.float32(level)
    return made


def _shifted(rows: NDArray[np.float32], steps: NDArray[np.int_]) -> NDArray[np.float32]:
    made = np.zeros_like(rows)
    length = rows.shape[-1]
    for row, to, step in zip(rows, made, np.clip(steps, -length, length), strict=True):
        if step >= 0:
            to[..., step:] = row[..., : length - step]
        else:
            to[..., :step] = row[..., -step:]
    return made


def _louder(
    rows: NDArray[np.float32], gains: NDArray[np.float64], *, log_mel: bool
) -> NDArray[np.float32]:
    if not log_mel:
        return np.asarray(rows * gains, dtype=np.float32)
    powers = np.expm1(rows.astype(np.float64)) * np.square(gains)
    return np.asarray(np.log1p(powers), dtype=np.float32)
