"""Samples in batches as a file takes them: by its own input names, made when they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from compress.store.keys import Json
from compress.tasks.batches import row_batches
from compress.tasks.data import Samples, Task
from exporters.values import OnnxArtifact

_BATCH = 32


def held_out(task: Task, samples: Samples, artifact: OnnxArtifact) -> HeldOut:
    """All of samples, texts from short to long, for a file that takes the task's inputs."""
    rows = tuple(row_batches(task, samples, _BATCH))
    names = tuple(spec.name for spec in artifact.inputs)
    return HeldOut(task=task, samples=samples, rows=rows, names=names)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut(Sequence[Mapping[str, NDArray[Any]]]):
    """Batches that are made when they are read: a split may be larger than memory. rows: of each;
    names: of the file's inputs."""

    task: Task
    samples: Samples
    rows: tuple[NDArray[np.int64], ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Mapping[str, NDArray[Any]]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Mapping[str, NDArray[Any]]]: ...
    def __getitem__(
        self, place: int | slice
    ) -> Mapping[str, NDArray[Any]] | Sequence[Mapping[str, NDArray[Any]]]:
        if isinstance(place, slice):
            return replace(self, rows=self.rows[place])
        return named(self.task.collate(self.samples.inputs[self.rows[place]]), self.names)


def left_out(task: Task) -> Mapping[str, Json]:
    """For the key of what is calibrated: the training samples that are held out too, and so
    calibrate nothing. Empty where there are none."""
    return {"left_out": len(task.held_out_too)} if task.held_out_too else {}


def named(feeds: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> Mapping[str, NDArray[Any]]:
    """By the file's names: one from elsewhere has its own, in the same order."""
    if set(feeds) == set(names):
        return feeds
    return dict(zip(names, feeds.values(), strict=True))
