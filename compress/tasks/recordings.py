"""Audio folders: waveforms or log-mel features, a folder per class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import scipy
from numpy.typing import NDArray

from compress.errors import InputError
from compress.recipe.audio_nodes import AudioFolderTask
from compress.tasks.assemble import OnEvent, Parts
from compress.tasks.augment_audio import AudioAugmentation
from compress.tasks.class_folders import RECORDINGS
from compress.tasks.data import Recorded
from compress.tasks.folders import IN_MEMORY_BYTES, Decoder, folder_parts, hash_folder
from compress.tasks.waveform import Unreadable, log_mel, read_wav, read_waveform

_VERSION = 1  # of what is made of the same file: raise it when that changes


def audio_folder(
    node: AudioFolderTask,
    *,
    folder: Path,
    seed: int,
    cache: Path,
    on_event: OnEvent | None = None,
    in_memory_bytes: int = IN_MEMORY_BYTES,
) -> Parts:
    """float32 (n, 1, samples), or (n, mels, frames) of log-mel energies; split and numbered as
    folder_parts does. InputError for a broken recording, and as there."""
    hashed = hash_folder(folder / node.data, RECORDINGS)
    waveforms = _waveforms(node)
    decoder = waveforms if node.features == "waveform" else _log_mels(node, waveforms)
    parts = folder_parts(
        node,
        hashed,
        decoder,
        folder=folder,
        seed=seed,
        cache=cache,
        on_event=on_event,
        in_memory_bytes=in_memory_bytes,
    )
    recorded = Recorded(
        waveforms=lambda ids: cast("NDArray[np.float32]", hashed.rows(ids, waveforms)),
        seconds=lambda ids: cast("NDArray[np.float32]", hashed.rows(ids, _lengths(waveforms))),
        features=None if node.features == "waveform" else lambda waves: _features(node, waves),
    )
    return replace(parts, recorded=recorded)


def audio_augmentation(node: AudioFolderTask) -> AudioAugmentation:
    """In steps of the rows' last axis: samples, or frames of log-mel energies."""
    return AudioAugmentation(
        shift_steps=node.shift_steps,
        gain_db=node.augment.gain_db,
        noise_db=node.augment.noise_db,
        log_mel=node.features == "log-mel",
    )


def _waveforms(node: AudioFolderTask) -> Decoder:
    def decode(data: bytes, where: str) -> NDArray[np.float32]:
        with _named(where):
            return read_waveform(data, sample_rate=node.sample_rate, seconds=node.seconds)

    return Decoder(
        wanted=RECORDINGS,
        name=("waveform", _VERSION, scipy.__version__, node.sample_rate, node.seconds),
        shape=(1, round(node.seconds * node.sample_rate)),
        dtype=np.float32,
        decode=decode,
    )


def _lengths(waveforms: Decoder) -> Decoder:
    """A number per file: its seconds, whatever a network is given of it."""

    def decode(data: bytes, where: str) -> NDArray[np.float32]:
        with _named(where):
            rate, wave = read_wav(data)
        return np.array(len(wave) / rate, dtype=np.float32)

    return replace(waveforms, name=("seconds",), shape=(), decode=decode)


@contextmanager
def _named(where: str) -> Iterator[None]:
    """An unreadable file is the user's, at where."""
    try:
        yield
    except Unreadable as exc:
        cure = "convert it to WAV of 16 bits, repair or remove it"
        raise InputError(str(exc), where=where, cure=cure) from exc


def _log_mels(node: AudioFolderTask, waveforms: Decoder) -> Decoder:
    silence = np.zeros(waveforms.shape, dtype=np.float32)
    return replace(
        waveforms,
        name=("log-mel", node.bands or 0, *waveforms.name),
        shape=_features(node, silence).shape,
        decode=lambda data, where: _features(
            node, cast("NDArray[np.float32]", waveforms.decode(data, where))
        ),
    )


def _features(node: AudioFolderTask, waves: NDArray[np.float32]) -> NDArray[np.float32]:
    """(..., 1, samples) -> (..., mels, frames)."""
    assert node.bands is not None
    return log_mel(waves, sample_rate=node.sample_rate, mels=node.bands)
