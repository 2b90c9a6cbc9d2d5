"""The epochs of one device and number of threads: the planned ones, then as many as it takes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.epochs import Epoch, run_epoch
from benchmarks.gpu import GpuWatch
from benchmarks.pace import Pace, even_calls, rounds_for
from benchmarks.probe import find_gpu, probe
from benchmarks.settings import BenchSettings
from benchmarks.staging import Subject
from benchmarks.values import GpuLog, Memory, Setting

Tell = Callable[[str, int], None]  # what is done, and how many of the planned epochs are


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """memory: (subject, batch) -> Memory. Later epochs hold only the batches still in question."""

    device: str
    threads: int
    memory: Mapping[tuple[int, int], Memory]
    epochs: tuple[Epoch, ...]
    gpu: GpuLog | None = None

    def device_ns(self, subject: int, batch: int) -> tuple[tuple[int, ...], ...]:
        """Every call on a GPU's own clock; nothing on the CPU."""
        key = (subject, batch)
        return tuple(epoch.device[key] for epoch in self.epochs if key in epoch.device)

    def fallback(self, subject: int) -> tuple[str, ...] | None:
        """Nodes that run elsewhere than on the device; every session places them alike."""
        return self.epochs[0].fallback[subject]

    def samples_ns(self, subject: int, batch: int) -> tuple[tuple[int, ...], ...]:
        """Every call, one inner tuple per epoch."""
        return tuple(
            epoch.samples_ns(subject, batch)
            for epoch in self.epochs
            if (subject, batch) in epoch.blocks
        )

    def log_ratios(self, reference: int, candidate: int, batch: int) -> list[float]:
        """One log(candidate time / reference time) per epoch."""
        return [
            epoch.log_ratio(reference, candidate, batch)
            for epoch in self.epochs
            if (reference, batch) in epoch.blocks
        ]


def run_series(
    subjects: Sequence[Subject],
    *,
    device: str,
    threads: int,
    settings: BenchSettings,
    rng: random.Random,
    seed: int,
    pace: Pace,
    tell: Tell,
) -> Series:
    """Memory and block sizes first, then epochs. Each subject is compared with the first.

    A GPU's clocks, power and temperature are read meanwhile.
    """
    gpu = find_gpu(device, pace=pace)
    run = partial(_run, subjects, device, threads, settings, rng, seed, pace, tell, gpu)
    if gpu is None:
        return run()
    with GpuWatch(gpu, device=device) as watch:
        series = run()
    return replace(series, gpu=watch.log)


def _run(
    subjects: Sequence[Subject],
    device: str,
    threads: int,
    settings: BenchSettings,
    rng: random.Random,
    seed: int,
    pace: Pace,
    tell: Tell,
    gpu: Mapping[str, Any] | None,
) -> Series:
    memory: dict[tuple[int, int], Memory] = {}
    calls: dict[tuple[int, int], int] = {}
    begun = time.monotonic()
    tell("memory", 0)
    for batch in settings.batch:
        setting = Setting(device=device, threads=threads, batch=batch)
        for index, subject in enumerate(subjects):
            memory[index, batch], calls[index, batch] = probe(
                subject, setting, pace=pace, cpu_nodes=settings.cpu_nodes, gpu=gpu
            )
    calls = even_calls(calls)
    rounds = {
        batch: rounds_for(
            pace,
            calls=min(calls[index, batch] for index in range(len(subjects))),
            epochs=settings.epochs,
        )
        for batch in settings.batch
    }
    epochs: list[Epoch] = []

    def found() -> Series:
        return Series(device=device, threads=threads, memory=memory, epochs=tuple(epochs))

    def one_more(batches: Sequence[int]) -> None:
        epochs.append(
            run_epoch(
                subjects,
                device=device,
                threads=threads,
                calls={key: count for key, count in calls.items() if key[1] in batches},
                rounds={batch: rounds[batch] for batch in batches},
                rng=rng,
                pace=pace,
                cpu_nodes=settings.cpu_nodes,
            )
        )

    for number in range(settings.epochs):
        tell(f"epoch {number + 1} of {settings.epochs}", number)
        one_more(settings.batch)
    tell(f"{settings.epochs} epochs", settings.epochs)
    open_batches = list(settings.batch) if len(subjects) > 1 else []
    while settings.most_epochs is not None and len(epochs) <= settings.most_epochs:
        if len(epochs) == settings.epochs or settings.question.is_look(len(epochs)):
            open_batches = [
                batch
                for batch in open_batches
                if not _is_answered(found(), len(subjects), batch, settings, seed=seed)
            ]
        over = time.monotonic() - begun > settings.limit_s
        if not open_batches or over or len(epochs) == settings.most_epochs:
            break
        which = ", ".join(map(str, open_batches))
        tell(f"epoch {len(epochs) + 1}: batch {which} is not decided yet", settings.epochs)
        one_more(open_batches)
    return found()


def _is_answered(
    series: Series, subjects: int, batch: int, settings: BenchSettings, *, seed: int
) -> bool:
    return all(
        settings.question.is_answered(series.log_ratios(0, index, batch), seed=seed)
        for index in range(1, subjects)
    )
