"""WAV files of any width, written byte by byte, and a folder of tones per class."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

RATE = 8_000


def wav(
    frames: np.ndarray, *, rate: int = RATE, bits: int = 16, kind: str = "pcm", extra: bytes = b""
) -> bytes:
    """frames: (n,) or (n, channels) in [-1, 1]. kind: pcm, float, or mulaw, which is not read."""
    frames = frames[:, None] if frames.ndim == 1 else frames
    data = _bytes(frames, bits, kind)
    width, channels = bits // 8, frames.shape[1]
    tag = {"pcm": 1, "float": 3, "mulaw": 7}[kind]
    head = struct.pack(
        "<HHIIHH", tag, channels, rate, rate * channels * width, channels * width, bits
    )
    body = b"WAVE" + extra + b"fmt " + struct.pack("<I", len(head)) + head
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _bytes(frames: np.ndarray, bits: int, kind: str) -> bytes:
    if kind == "float":
        return frames.astype(f"<f{bits // 8}").tobytes()
    if bits == 8:
        return (np.rint(frames * 127) + 128).astype(np.uint8).tobytes()
    scaled = np.rint(frames * (2 ** (bits - 1) - 1)).astype("<i4")
    if bits == 16:
        return scaled.astype("<i2").tobytes()
    return scaled.reshape(-1, 1).view(np.uint8)[:, : bits // 8].tobytes()


def tone(hertz: float, *, seconds: float = 0.25, rate: int = RATE, phase: float = 0) -> np.ndarray:
    """(samples,): a sine of half of full scale."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate + phase)


def save_tones(
    root: Path, count: int, *, classes: tuple[str, ...] = ("high", "low", "mid"), seed: int = 0
) -> Path:
    """`count` recordings of each class, each with a pitch, a loudness, a phase and noise."""
    random = np.random.default_rng(seed)
    for name in classes:
        place = root / name
        place.mkdir(parents=True, exist_ok=True)
        base = {"high": 1_400, "low": 300, "mid": 700}[name]
        for index in range(count):
            seconds = random.uniform(0.15, 0.35)
            sound = tone(
                base * random.uniform(0.9, 1.1), seconds=seconds, phase=6 * random.random()
            )
            sound = sound * random.uniform(0.2, 1) + random.normal(0, 0.05, len(sound))
            (place / f"{seed}-{index:03}.wav").write_bytes(wav(np.clip(sound, -1, 1)))
    return root
