"""The epochs of one device and number of threads: the planned ones, then as many as it takes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.epochs import Epoch, run_epoch
from benchmarks.gpu import GpuWatch
from benchmarks.pace import Pace, even_calls, rounds_for
from benchmarks.probe import find_gpu, probe
from benchmarks.question import Question
from benchmarks.settings import BenchSettings
from benchmarks.staging import Subject
from benchmarks.values import GpuLog, Memory, Setting

Tell = Callable[[str, int], None]  # what is done, and how many of the planned epochs are
Asked = Mapping[tuple[int, int], Question]  # (subject, batch) -> what it has to answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """memory: (subject, batch) -> Memory. Later epochs hold only what is still in question."""

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
            if {(reference, batch), (candidate, batch)} <= epoch.blocks.keys()
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
    asked: Asked,
) -> Series:
    """Memory and block sizes first, then epochs: the planned ones of all, and more of the subjects
    and batches whose question is open. Each subject is compared with the first.

    A GPU's clocks, power and temperature are read meanwhile.
    """
    gpu = find_gpu(device, pace=pace)
    run = partial(_run, subjects, device, threads, settings, rng, seed, pace, tell, asked, gpu)
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
    asked: Asked,
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

    def one_more(indices: Collection[int], batches: Collection[int]) -> None:
        epochs.append(
            run_epoch(
                subjects,
                device=device,
                threads=threads,
                calls={(i, b): n for (i, b), n in calls.items() if i in indices and b in batches},
                rounds={batch: count for batch, count in rounds.items() if batch in batches},
                rng=rng,
                pace=pace,
                cpu_nodes=settings.cpu_nodes,
            )
        )

    for number in range(settings.epochs):
        tell(f"epoch {number + 1} of {settings.epochs}", number)
        one_more(range(len(subjects)), settings.batch)
    tell(f"{settings.epochs} epochs", settings.epochs)

    def found() -> Series:
        return Series(device=device, threads=threads, memory=memory, epochs=tuple(epochs))

    most = settings.most_epochs or settings.epochs
    still = _still_open(found(), asked, seed=seed) if most > settings.epochs else {}
    while still and len(epochs) < most and time.monotonic() - begun <= settings.limit_s:
        batches = {batch for _, batch in still}
        which = ", ".join(map(str, sorted(batches)))
        tell(f"epoch {len(epochs) + 1}: batch {which} is not decided yet", settings.epochs)
        one_more({0, *(index for index, _ in still)}, batches)
        if any(question.is_look(len(epochs)) for question in still.values()):
            still = _still_open(found(), still, seed=seed)
    return found()


def _still_open(series: Series, asked: Asked, *, seed: int) -> Asked:
    """What more epochs are run for."""
    return {
        (index, batch): question
        for (index, batch), question in asked.items()
        if not question.is_answered(series.log_ratios(0, index, batch), seed=seed)
    }
