"""Many files against one reference in one warm process: seconds each, and no verdict claimed.

Which of many candidates are worth a comparison is a question of tens of percent. A fresh process
per candidate and epoch would answer it no better and cost a hundred times as much.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

from benchmarks.feeds import Inputs
from benchmarks.pace import QUICK
from benchmarks.probe import probe
from benchmarks.process import WorkerProcess
from benchmarks.quiet import exclusive_timing
from benchmarks.staging import Subject, open_subjects, staged
from benchmarks.timing import WarmUp
from benchmarks.values import Memory, Setting
from exporters.cpus import check_threads

ROUNDS = 10  # blocks of each file, forth and back
STEADY = 1.15  # between the quarters of the pairs: beyond it something else ran beside them
LOOKS = 3  # at a file, where they are not steady
LOOKING_S = 2.0  # no further look after it
MOST_NS = 2_000_000_000  # of the blocks of one look at one batch
_WARM_UP = WarmUp(min_calls=1, min_ns=60_000_000, max_ns=600_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """One file at one batch, by the fastest quarter of each block. ratio: its time over the
    reference's; low, high: the middle half of the pairs of blocks, which says how steady the
    machine was and nothing about other processes."""

    p50_ms: float
    reference_ms: float
    ratio: float
    low: float
    high: float


class Screen:
    """A warm worker with the reference open, at one device and number of threads. A context
    manager; the host's stopwatch is held for the time of one screening alone. cpu_nodes: how many
    nodes of each file a GPU may leave to the CPU."""

    def __init__(
        self,
        reference: Path,
        *,
        inputs: Inputs,
        batches: Sequence[int],
        threads: int = 1,
        device: str = "cpu",
        cpu_nodes: int = 0,
    ) -> None:
        check_threads(threads)
        self._inputs, self._batches = inputs, tuple(batches)
        self._threads, self._device, self._cpu_nodes = threads, device, cpu_nodes
        self._stack = ExitStack()
        with ExitStack() as stack:
            artifacts = open_subjects({"reference": reference})
            (subject,) = stack.enter_context(staged(artifacts, inputs=inputs, batches=batches))
            self._worker = stack.enter_context(WorkerProcess(source=reference))
            self._worker.request(subject.load_request(self._batches, device=device))
            self._worker.request(self._opening(subject, self._batches[0]))
            self._stack = stack.pop_all()

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        self._stack.close()

    def measure(self, path: Path) -> dict[int, Screened]:
        """batch -> what a file takes beside the reference: about a second, and up to three where
        the machine is not steady; the steadiest look counts. Files of calls beyond 200 ms get fewer
        rounds, and one look."""
        artifacts = open_subjects({"candidate": path})
        looks: list[dict[int, Screened]] = []
        with (
            staged(artifacts, inputs=self._inputs, batches=self._batches) as (subject,),
            exclusive_timing(),
        ):
            opening = self._opening(subject, 1)
            began = time.monotonic()
            while not (looks and all(map(is_steady, looks[-1].values()))):
                if len(looks) == LOOKS or time.monotonic() - began > LOOKING_S:
                    break
                reply = self._worker.ask(
                    "screen",
                    opening={k: v for k, v in opening.items() if k not in _NOT_OPENED},
                    feeds={str(b): dict(subject.feed_files[b]) for b in self._batches},
                    rule=asdict(_WARM_UP),
                    rounds=ROUNDS,
                    most_ns=MOST_NS,
                )
                blocks = reply["blocks_ns"].items()
                looks.append({int(batch): _screened(found) for batch, found in blocks})
        return {batch: steadiest([look[batch] for look in looks]) for batch in self._batches}

    def memory(self, path: Path, *, batch: int) -> Memory:
        """Of a file in a fresh process of its own, as a measurement takes it: about a second."""
        artifacts = open_subjects({"candidate": path})
        setting = Setting(device=self._device, threads=self._threads, batch=batch)
        with staged(artifacts, inputs=self._inputs, batches=[batch]) as (subject,):
            return probe(subject, setting, pace=QUICK, cpu_nodes=self._cpu_nodes)[0]

    def _opening(self, subject: Subject, batch: int) -> dict[str, Any]:
        return subject.open_request(
            device=self._device, threads=self._threads, batch=batch, cpu_nodes=self._cpu_nodes
        )


_NOT_OPENED = ("op", "batch")


def is_steady(look: Screened) -> bool:
    """Whether the middle half of its pairs lies together."""
    return look.high <= STEADY * look.low


def steadiest(looks: Sequence[Screened]) -> Screened:
    """Of several looks at one file the one whose pairs lie closest together."""
    return min(looks, key=lambda one: one.high / one.low)


def _screened(blocks: Mapping[str, Sequence[float]]) -> Screened:
    pairs = list(zip(blocks["reference"], blocks["candidate"], strict=True))
    logs = sorted(math.log(own / other) for other, own in pairs)
    quarter = len(logs) // 4
    return Screened(
        p50_ms=median(blocks["candidate"]) / 1e6,
        reference_ms=median(blocks["reference"]) / 1e6,
        ratio=math.exp(median(logs)),
        low=math.exp(logs[quarter]),
        high=math.exp(logs[-1 - quarter]),
    )
