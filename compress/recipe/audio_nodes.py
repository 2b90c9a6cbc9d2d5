"""Recordings with labels: a folder per class."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from compress.recipe.node import Node
from compress.recipe.text_nodes import Outputs
from compress.recipe.units import DurationText, parse_duration

Features = Literal["waveform", "log-mel"]
HOP_S = 0.010  # from one frame of log-mel energies to the next
MELS = 40
LEAST_S = 0.03  # holds one of their windows


class AudioAugment(Node):
    """Random shift in time, gain in decibels, and white noise down to a signal-to-noise ratio.

    shift: earlier or later by at most this; what comes in is silence. gain_db: louder or softer by
    at most this. noise_db: the least ratio; a sample gets one up to 30 dB above it.
    """

    shift: DurationText | None = None
    gain_db: float = Field(default=0.0, ge=0, le=40)
    noise_db: float | None = Field(default=None, ge=0, le=60)


class AudioFolderTask(Node):
    """A folder per class of WAV files, mixed to mono, at `sample_rate` samples per second, cut or
    padded with silence to `seconds`.

    features: what a network is given: the waveform (1, samples), or log-mel energies (mels,
    frames) of 25 ms every 10 ms. columns: a CSV, TSV, JSONL or Parquet table with a column `file`
    (paths below data); the values of its other columns are slices of the test split.
    """

    kind: Literal["audio-folder"]
    data: str
    columns: str | None = None
    sample_rate: int = Field(default=16000, ge=1000, le=192000)
    seconds: float = Field(default=1.0, ge=0.01, le=600)
    features: Features = "waveform"
    mels: int | None = Field(default=None, ge=4, le=256)  # of log-mel; default 40
    test: int | None = Field(
        default=None, ge=1
    )  # held out where there is no test/ folder; default 20 %
    validation: int = Field(default=0, ge=0)  # 0: 10 % of what is left
    labelled: int | None = Field(default=None, ge=1)
    outputs: Outputs = "classes"
    augment: AudioAugment = AudioAugment()

    @model_validator(mode="after")
    def _keys_of_the_features(self) -> AudioFolderTask:
        if self.features == "waveform" and self.mels is not None:
            raise ValueError("mels are of `features: log-mel`; remove them")
        if self.features == "log-mel" and self.augment.noise_db is not None:
            raise ValueError(
                "augment.noise_db is of waveforms; remove it, or write `features: waveform`"
            )
        if self.features == "log-mel" and self.seconds < LEAST_S:
            raise ValueError(f"log-mel energies need seconds of {LEAST_S} or more")
        if self.augment.shift is not None and self.shift_steps == 0:
            raise ValueError(f"augment.shift is less than a step of {self.step_s * 1000:g} ms")
        return self

    @property
    def bands(self) -> int | None:
        """Mel bands of log-mel energies; None of waveforms."""
        return None if self.features == "waveform" else self.mels or MELS

    @property
    def step_s(self) -> float:
        """Seconds from one number of a row's last axis to the next."""
        return 1 / self.sample_rate if self.features == "waveform" else HOP_S

    @property
    def shift_steps(self) -> int:
        """The largest shift, in steps."""
        shift = self.augment.shift
        return 0 if shift is None else round(parse_duration(shift) / self.step_s)
