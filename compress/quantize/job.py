"""One quantization that was asked for: its samples, limits and setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.compare import quick_compare
from benchmarks.values import Comparison
from compress.errors import InputError
from compress.quantize.feeds import rows_of
from compress.quantize.fidelity import Metric
from compress.quantize.judge import Judge
from compress.quantize.ranges import Method
from compress.quantize.samples import Samples
from exporters.events import Event
from exporters.values import OnnxArtifact

Goal = Literal["speed", "size"]
GOALS: tuple[Goal, ...] = ("speed", "size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What quantize() was asked for, checked."""

    artifact: OnnxArtifact
    samples: Samples | None
    metric: Metric | None
    max_drop: float
    goal: Goal
    method: Method
    batch: int | None  # None: 1, or the one that the file takes
    threads: int
    flags: tuple[str, ...]
    timed: bool
    seed: int
    tell: Callable[[Event], None]

    def judge(self) -> Judge:
        """Of files, by the float file's answers to what is held out."""
        assert self.samples is not None
        return Judge(
            self.artifact.path,
            self.samples,
            metric=self.metric,
            max_drop=self.max_drop,
            batch=None if self._fixed() else self.batch or 1,
            threads=self.threads,
        )

    def check_batch(self) -> None:
        """InputError where another batch is asked for than the file takes."""
        fixed = self._fixed()
        if self.samples is None or self.batch is None or not fixed:
            return
        taken = rows_of(self.samples.held_out[0])
        if self.batch != taken:
            raise InputError(
                f"batch {self.batch} is asked for, and the file takes batches of {taken}: the "
                f"first axis of `{fixed[0]}` is fixed",
                where=str(self.artifact.path),
                cure="leave the batch out, or export the file with an open first axis",
            )

    def _fixed(self) -> tuple[str, ...]:
        """Inputs whose first axis has one length."""
        every = self.artifact.inputs
        return tuple(s.name for s in every if s.shape and isinstance(s.shape[0], int))

    def served(self) -> dict[str, NDArray[Any]]:
        """One batch as it is served: rows of the first batch held out, repeated where needed."""
        assert self.samples is not None
        feeds = self.samples.held_out[0]
        if self._fixed():
            return dict(feeds)
        rows = np.arange(self.batch or 1)
        return {name: a[rows % len(a)] if a.ndim else a for name, a in feeds.items()}

    def compared(self, path: Path) -> Comparison | None:
        """A file against the float one, in fresh processes; None where speed isn't asked for."""
        if self.samples is None or not self.timed:
            return None
        feeds = self.served()
        size = next((len(array) for array in feeds.values() if array.ndim), 1)
        return quick_compare(
            self.artifact.path,
            path,
            inputs=feeds,
            batch=size,
            threads=self.threads,
            seed=self.seed,
            on_event=self.tell,
        )
