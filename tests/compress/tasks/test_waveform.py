"""Recordings as networks are given them: widths, rates, lengths, log-mel energies, broken files."""

from __future__ import annotations

import numpy as np
import pytest

from compress.tasks.waveform import FLOOR, Unreadable, log_mel, mel_bands, read_wav, read_waveform
from tests.compress.tasks.sounds import RATE, tone, wav


@pytest.mark.parametrize(
    ("bits", "kind", "within"),
    [
        (8, "pcm", 1.5 / 128),
        (16, "pcm", 2**-15),
        (24, "pcm", 2e-7),
        (32, "pcm", 2e-7),
        (32, "float", 1e-7),
        (64, "float", 1e-7),
    ],
)
def test_every_width_gives_the_same_sound(bits: int, kind: str, within: float) -> None:
    sound = tone(440)
    rate, wave = read_wav(wav(sound, bits=bits, kind=kind))
    assert rate == RATE
    assert wave.dtype == np.float32
    assert np.abs(wave - sound).max() < within


def test_full_scale_is_one_and_channels_are_averaged() -> None:
    ends = np.array([1.0, -1.0, 0.0])
    assert read_wav(wav(ends))[1] == pytest.approx([1, -1, 0], abs=5e-5)
    stereo = np.stack([np.full(50, 0.5), np.full(50, -0.1)], axis=1)
    assert read_wav(wav(stereo))[1] == pytest.approx([0.2] * 50, abs=5e-5)


def test_chunks_of_other_programs_are_skipped() -> None:
    sound = tone(440)
    tagged = wav(sound, extra=b"bext\x04\0\0\0abcd")
    assert (read_wav(tagged)[1] == read_wav(wav(sound))[1]).all()


def test_a_recording_is_cut_or_padded_with_silence() -> None:
    sound = wav(tone(440, seconds=0.25))
    short = read_waveform(sound, sample_rate=RATE, seconds=0.1)
    long = read_waveform(sound, sample_rate=RATE, seconds=0.5)
    assert short.shape == (1, 800)
    assert long.shape == (1, 4000)
    assert (short[0] == long[0, :800]).all()
    assert (long[0, 2000:] == 0).all()


@pytest.mark.parametrize("rate", [16_000, 44_100, 6_000])
def test_another_rate_gives_the_same_tone(rate: int) -> None:
    made = read_waveform(wav(tone(440, rate=rate), rate=rate), sample_rate=RATE, seconds=0.25)
    inner = slice(100, 1900)  # the filter rings at both ends
    assert made[0, inner] == pytest.approx(tone(440)[inner], abs=2e-3)


def test_what_lies_beyond_the_cut_is_not_heard() -> None:
    """Only the start is resampled: the same samples as of the whole recording."""
    sound = tone(440, seconds=3, rate=16_000)
    whole = read_waveform(wav(sound, rate=16_000), sample_rate=RATE, seconds=3)
    cut = read_waveform(wav(sound, rate=16_000), sample_rate=RATE, seconds=0.5)
    assert cut[0] == pytest.approx(whole[0, :4000], abs=1e-7)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"ID3\x03" + bytes(99), "another format"),
        (b"RIFF", "a broken WAV file"),
        (wav(tone(440))[:30], "a broken WAV file"),
        (wav(tone(440))[:-100], "a broken WAV file: Reached EOF prematurely"),
        (wav(tone(440))[:-101], "a broken WAV file"),
        (wav(np.zeros(0)), "holds no sound"),
        (wav(tone(440), rate=3), "3 samples per second"),
        (wav(np.zeros(8), bits=8, kind="pcm").replace(b"\1\0\1\0", b"\7\0\1\0"), "(MULAW)"),
        (wav(np.array([0.0, np.nan]), bits=32, kind="float"), "holds NaN or infinity"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_reason(data: bytes, said: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_waveform(data, sample_rate=RATE, seconds=1)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_headers_are_refused_or_read_and_nothing_else() -> None:
    """Every byte of the header once with every bit turned: Unreadable is the only error."""
    whole = wav(tone(440, seconds=0.01))
    read = 0
    for at in range(44):
        for bit in range(8):
            data = bytearray(whole)
            data[at] ^= 1 << bit
            try:
                read_waveform(bytes(data), sample_rate=RATE, seconds=0.01)
                read += 1
            except Unreadable:
                continue
    assert 0 < read < 44 * 8


def test_silence_is_zero_and_twice_the_sound_is_the_logarithm_of_four_more() -> None:
    sound = tone(440, seconds=0.5)[None].astype(np.float32)
    quiet, loud = (log_mel(sound * by, sample_rate=RATE, mels=20) for by in (1, 2))
    assert quiet.shape == (20, (4000 - 200) // 80 + 1)
    assert quiet.dtype == np.float32
    assert (log_mel(np.zeros_like(sound), sample_rate=RATE, mels=20) == 0).all()
    heard = quiet > 10
    assert heard.any()
    assert (loud - quiet)[heard] == pytest.approx(np.log(4), abs=1e-3)


def test_the_energy_of_a_tone_stands_in_its_band() -> None:
    """A sine of amplitude a has the power (a / 2)^2 at its bin, and less than twice that beside."""
    bands = mel_bands(sample_rate=RATE, bins=256, mels=20)
    band = 9
    hertz = int(bands[:, band].argmax()) * RATE / 256
    found = log_mel(tone(hertz, seconds=0.5)[None], sample_rate=RATE, mels=20)
    assert (found.argmax(axis=0) == band).all()
    peak = bands[:, band].max() * 0.25**2 / FLOOR
    assert (found[band] > np.log(peak)).all()
    assert (found[band] < np.log(3 * peak)).all()


def test_a_batch_has_the_energies_of_its_rows() -> None:
    waves = np.random.default_rng(0).normal(size=(3, 1, 1000)).astype(np.float32)
    together = log_mel(waves, sample_rate=RATE, mels=8)
    assert together.shape == (3, 8, 11)
    for row, wave in zip(together, waves, strict=True):
        assert (row == log_mel(wave, sample_rate=RATE, mels=8)).all()
