"""What a task is made of: samples in memory (or memory-mapped), split once and for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compress.tasks.augment import Augmentation
from compress.tasks.augment_audio import AudioAugmentation
from compress.tasks.frames import FRAME_INPUTS, collate_frames, frame_counts, real_frames
from compress.tasks.tokens import TOKEN_INPUTS, collate_tokens, token_counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """ids: (n,) int64, unique over all splits; inputs: (n, ...) rows as stored; labels: (n,).

    Labels are int64 class indices. Rows are uint8 or float32, images (n, channels, height, width);
    of text they are token ids, uint16 or int32 (n, tokens), padded; of streams float32 (n, frames,
    features + 1), as compress.tasks.frames says, with labels (n, frames), -100 where padded.
    Task.collate makes of some rows what a network is given. columns: (n,) each, what else is known
    of the samples, to look at them by; groups: (n,) which recording or document a sample is of,
    None where each is its own; texts: of text tasks what test rows were made of, to be made again
    with typing errors.
    """

    ids: NDArray[np.int64]
    inputs: NDArray[np.generic]
    labels: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    groups: NDArray[np.int64] | None = None
    texts: tuple[str, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayData:
    """What a `kind: python` task returns: inputs and labels per split, and the class names.

    test_columns: name -> a value per test sample (site, language, age), each value judged as a
    slice; test_groups: an integer per test sample that those of one recording or document share.
    """

    train: tuple[NDArray[np.generic], NDArray[np.integer]]
    test: tuple[NDArray[np.generic], NDArray[np.integer]]
    validation: tuple[NDArray[np.generic], NDArray[np.integer]] | None = None
    classes: tuple[str, ...]
    scale: float | None = None  # what inputs are multiplied by; default 1/255 for uint8, else 1
    test_columns: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    test_groups: NDArray[np.integer] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Of rows that are made of recordings: what they were, read again by sample ids (n,).

    waveforms: (n, 1, samples) as the network is given them or its features are computed of;
    seconds: (n,) how long each is, before it is cut or padded; features: waveforms -> rows, None
    where rows are the waveforms.
    """

    waveforms: Callable[[NDArray[np.int64]], NDArray[np.float32]]
    seconds: Callable[[NDArray[np.int64]], NDArray[np.float32]]
    features: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Train and validation are for every choice; `test` is called by the judge stage alone.

    outputs: of networks (batch, classes) scores, or (batch, width) embeddings of any width; then
    there are no classes, and no sample has a label. frames: samples are streams, and networks give
    (batch, frames, classes).
    """

    name: str
    classes: tuple[str, ...]
    input_name: str
    scale: float
    augmentation: Augmentation | AudioAugmentation
    fingerprint: str  # SHA-256 over all splits, class names and preprocessing
    train: Samples
    validation: Samples
    test: Callable[[], Samples] = field(repr=False)
    test_samples: int | None = None  # how many, known without a look at them
    notes: tuple[str, ...] = ()  # what a reader must know: copies between splits, absent classes
    held_out_too: tuple[int, ...] = ()  # ids of train with the values of a held-out sample
    columns: tuple[str, ...] = ()  # names of what else is known of test samples
    padding: int | None = None  # the id that pads rows of tokens; None: rows are numbers
    tokenizer: str | None = field(default=None, repr=False)  # of text: a tokenizer.json, shipped
    outputs: Literal["classes", "embeddings"] = "classes"
    recorded: Recorded | None = field(default=None, repr=False)
    frames: bool = False

    @property
    def input_names(self) -> tuple[str, ...]:
        """The network's inputs, in the order of its arguments."""
        if self.frames:
            return FRAME_INPUTS
        return (self.input_name,) if self.padding is None else TOKEN_INPUTS

    @property
    def width(self) -> int | None:
        """Numbers that a network gives for a sample; None where any width will do."""
        return len(self.classes) if self.outputs == "classes" else None

    @property
    def open_axes(self) -> dict[int, str]:
        """Axes besides the batch whose length differs from batch to batch, with their names."""
        return {1: "sequence"} if self.frames or self.padding is not None else {}

    def collate(self, rows: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
        """What the network is given of some rows, by input name.

        Numbers are scaled; tokens and frames are cut after the longest text or stream among the
        rows.
        """
        if self.frames:
            return collate_frames(rows)
        if self.padding is None:
            return {self.input_name: self.prepare(rows)}
        return collate_tokens(rows, padding=self.padding)

    def lengths(self, rows: NDArray[np.generic]) -> NDArray[np.int64] | None:
        """Tokens or frames of each row, (n,); None where all rows are alike."""
        if self.frames:
            return frame_counts(rows)
        return None if self.padding is None else token_counts(rows, padding=self.padding)

    def real(self, answers: NDArray[np.generic], rows: NDArray[np.generic]) -> NDArray[np.generic]:
        """What a network gives of some rows, of streams without padding, frame after frame."""
        return real_frames(answers, frame_counts(rows)) if self.frames else answers

    def prepare(self, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
        """Rows of numbers as the network sees them: float32, scaled. Same shape."""
        return inputs.astype(np.float32) / np.float32(1.0 / self.scale)
