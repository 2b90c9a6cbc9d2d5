"""A recording as a network is given it: mono, at one rate and of one length, or as log-mel
features.

numpy and scipy alone, and nothing of the project: run folders of audio tasks hold a copy beside
predict.py, so that what is served is what was judged.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATES_HZ = (1_000, 768_000)  # of a file; others are broken headers
WINDOW_S, HOP_S = 0.025, 0.010
FLOOR = 1e-10  # mean power below it is silence: 100 dB under full scale
_LOOK_AHEAD_S = 0.1  # of resampling: what is cut before it must not be heard after it


class Unreadable(ValueError):
    """One line: why the bytes are no recording."""


def read_waveform(data: bytes, *, sample_rate: int, seconds: float) -> NDArray[np.float32]:
    """(1, samples): channels averaged, full scale 1, resampled (polyphase, Kaiser window), cut at
    the end or padded with silence. Raises Unreadable."""
    rate, wave = read_wav(data, seconds=seconds + _LOOK_AHEAD_S)
    if rate != sample_rate:
        from scipy.signal import resample_poly  # a second that recordings at the rate do without

        shared = math.gcd(rate, sample_rate)
        wave = resample_poly(wave, sample_rate // shared, rate // shared)
    samples = round(seconds * sample_rate)
    made = np.zeros((1, samples), dtype=np.float32)
    made[0, : len(wave)] = wave[:samples]
    return made


def read_wav(data: bytes, *, seconds: float = math.inf) -> tuple[int, NDArray[np.float32]]:
    """(samples per second, (samples,) mono) of a WAV file of PCM or floats, its start alone.

    Integers become [-1, 1); floats stay as they are, also beyond. Raises Unreadable.
    """
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", wavfile.WavFileWarning)
            # Chunks of other programs, which hold no sound, are skipped.
            warnings.filterwarnings("ignore", "Chunk .* not understood", wavfile.WavFileWarning)
            rate, frames = wavfile.read(io.BytesIO(data))
    except (ValueError, TypeError, EOFError, MemoryError, NameError, ArithmeticError) as error:
        raise Unreadable(_reason(data, error)) from error
    except (struct.error, wavfile.WavFileWarning) as error:
        raise Unreadable(f"a broken WAV file: {_line(error)}") from error
    if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        raise Unreadable(f"a broken WAV file: {rate:,} samples per second")
    if frames.size == 0:
        raise Unreadable("holds no sound")
    if seconds < math.inf:
        frames = frames[: math.ceil(seconds * rate)]
    wave = _full_scale_one(frames)
    mono = wave if wave.ndim == 1 else wave.mean(axis=1)
    if not np.isfinite(mono).all():
        raise Unreadable("holds NaN or infinity")
    return int(rate), mono.astype(np.float32)


def log_mel(waves: NDArray[np.floating], *, sample_rate: int, mels: int) -> NDArray[np.float32]:
    """(..., 1, samples) -> (..., mels, frames): ln(1 + power / 1e-10), so that silence is 0.

    Hann windows of 25 ms every 10 ms, mean power of a band of triangles (HTK's mel scale).
    """
    window = round(WINDOW_S * sample_rate)
    hop = round(HOP_S * sample_rate)
    bins = 1 << math.ceil(math.log2(window))
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    frames = np.lib.stride_tricks.sliding_window_view(waves[..., 0, :], window, axis=-1)
    spectrum = np.fft.rfft(frames[..., ::hop, :] * hann, bins) / hann.sum()
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    bands = power @ mel_bands(sample_rate=sample_rate, bins=bins, mels=mels)
    made: NDArray[np.float32] = np.log1p(bands / FLOOR).astype(np.float32)
    return np.ascontiguousarray(np.swapaxes(made, -1, -2))


def mel_bands(*, sample_rate: int, bins: int, mels: int) -> NDArray[np.float64]:
    """(bins // 2 + 1, mels): triangles of height 1, equally wide in mel, 0 to half the rate."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    hertz = np.arange(bins // 2 + 1) * sample_rate / bins
    rising = (hertz[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[None, 2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    return np.asarray(np.clip(np.minimum(rising, falling), 0.0, None))


def _full_scale_one(frames: NDArray[Any]) -> NDArray[np.float32]:
    if frames.dtype.kind == "f":
        return np.asarray(frames, dtype=np.float32)
    if frames.dtype.kind == "u":  # 8 bits, silence at 128
        return np.asarray((frames - 128.0) / 128.0, dtype=np.float32)
    # Fewer bits than the type has, 24 of 32, stand at its upper end.
    return np.asarray(frames / -float(np.iinfo(frames.dtype).min), dtype=np.float32)


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "an empty file"
    start = data[:256].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "not a WAV file: it looks like an HTML page (a failed download?)"
    if start.startswith(b"version https://git-lfs"):
        return "not a WAV file: it looks like a Git LFS pointer (run `git lfs pull`)"
    if data[:4] not in (b"RIFF", b"RIFX", b"RF64"):
        return "another format under the name of a WAV file, or a broken one"
    if "Unknown wave file format" in str(error):
        return f"a compressed WAV file ({str(error).split(':')[1].split('.')[0].strip()})"
    return f"a broken WAV file: {_line(error)}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
