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
from compress.quantize.fidelity import Metric, answers, suitable_metric
from compress.quantize.ranges import Method
from compress.quantize.samples import Samples
from exporters.events import Event
from exporters.values import OnnxArtifact

Goal = Literal["speed", "size"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What quantize() was asked for, checked."""

    artifact: OnnxArtifact
    samples: Samples | None
    metric: Metric | None
    max_drop: float
    goal: Goal
    method: Method
    batch: int
    threads: int
    flags: tuple[str, ...]
    timed: bool
    seed: int
    tell: Callable[[Event], None]

    def reference(self) -> tuple[NDArray[np.float64], Metric]:
        """The float file's answers to what is held out, and the metric to judge by."""
        assert self.samples is not None
        found = answers(self.artifact.path, self.samples.held_out, threads=self.threads)
        return found, self.metric or suitable_metric(found, self.samples.labels)

    def served(self) -> dict[str, NDArray[Any]]:
        """One batch as it is served: rows of the first batch held out, repeated where needed."""
        assert self.samples is not None
        feeds = self.samples.held_out[0]
        fixed = [
            s.shape[0] for s in self.artifact.inputs if s.shape and isinstance(s.shape[0], int)
        ]
        if fixed:
            return dict(feeds)
        return {n: a[np.arange(self.batch) % len(a)] if a.ndim else a for n, a in feeds.items()}

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
