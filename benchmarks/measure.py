"""Latency, memory, cold start and size of ONNX files, in one interleaved run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.compare import comparison, identical, quick_compare
from benchmarks.devices import check_device
from benchmarks.environment import read_environment
from benchmarks.feeds import Inputs
from benchmarks.floor import floor_ms
from benchmarks.pace import ENOUGH, STANDARD, Pace
from benchmarks.question import Question
from benchmarks.quiet import exclusive_timing
from benchmarks.series import Series, run_series
from benchmarks.settings import BenchSettings
from benchmarks.sources import Source, TorchSource
from benchmarks.staging import Subject, open_subjects, runner_of, staged
from benchmarks.stats import percentile
from benchmarks.values import (
    NEEDS_FLOOR_MS,
    Cell,
    ColdStart,
    Comparison,
    Contents,
    Floor,
    Latency,
    Measured,
    Measurement,
    Setting,
)
from exporters.cpus import check_threads
from exporters.errors import InputError
from exporters.events import Event
from exporters.inspect import inspect_model

__all__ = ["measure", "quick_compare"]

OnEvent = Callable[[Event], None]


def measure(
    subjects: Mapping[str, Path | TorchSource],
    *,
    inputs: Inputs,
    settings: BenchSettings,
    seed: int,
    on_event: OnEvent | None = None,
    aa: bool = False,
    pace: Pace = STANDARD,
) -> Measured:
    """Time every subject at every cell; compare each with the first one.

    subjects: name -> ONNX file or torch module; the first is the reference. inputs: (n, ...)
    samples, n >= 1, or an array per input name; rows repeat to fill a batch. A file with the bytes
    of another is timed once, and its comparison with the reference is "identical", unless aa.
    Epochs go on past the planned ones where settings ask for it and a comparison is open. Holds the
    host's timing lock. Raises InputError, RefusedModel, RuntimeMissing (all that a device lacks),
    WorkerDied (crash, time limit).
    """
    tell = on_event or (lambda event: None)
    if not subjects:
        raise InputError("nothing to measure", cure="name at least one ONNX file")
    check_threads(max(settings.threads))
    artifacts = open_subjects(subjects)
    for device in settings.devices:
        check_device(device, {runner_of(source) for source in artifacts.values()})
    twin = _twins(artifacts, aa=aa)
    environment = read_environment()
    timed = {name: artifact for name, artifact in artifacts.items() if twin[name] == name}

    def waiting() -> None:
        tell(Event("progress", "measure", "waiting for another measurement on this host"))

    with (
        staged(timed, inputs=inputs, batches=settings.batch) as staged_subjects,
        exclusive_timing(waiting),  # last: what doesn't fit is said without a wait
    ):
        rng = random.Random(seed)
        groups: list[Series] = []
        floors: list[Floor] = []
        cells = [(d, t) for d in settings.devices for t in settings.threads]
        for number, (device, threads) in enumerate(cells):
            progress = _Progress(tell, number, len(cells), settings.epochs)
            groups.append(
                run_series(
                    staged_subjects,
                    device=device,
                    threads=threads,
                    settings=settings,
                    rng=rng,
                    seed=seed,
                    pace=pace,
                    tell=progress,
                    asked=_asked(twin, settings, device=device, threads=threads),
                )
            )
            first = number == 0
            floors += _floors(staged_subjects, groups[-1], settings.batch, inputs, pace, first)
    place = {subject.name: index for index, subject in enumerate(staged_subjects)}
    names = list(artifacts)
    return Measured(
        environment=environment,
        measurements=tuple(
            _measurement(name, artifacts[name], place[twin[name]], groups, settings)
            for name in names
        ),
        comparisons=tuple(
            _compared(names[0], name, twin, place, group, batch, seed, settings)
            for name in names[1:]
            for group in groups
            for batch in settings.batch
        ),
        floor_ms=floors[0].p50_ms if floors else None,
        seed=seed,
        floors=tuple(floors),
        gpus=tuple(group.gpu for group in groups if group.gpu is not None),
    )


@dataclass(frozen=True, slots=True)
class _Progress:
    """Events of one group among several; epochs are nearly all of the time."""

    tell: OnEvent
    group: int
    groups: int
    epochs: int

    def __call__(self, message: str, done: int) -> None:
        fraction = (self.group + done / self.epochs) / self.groups
        self.tell(Event("progress", "measure", message, fraction))


def _floors(
    subjects: Sequence[Subject],
    series: Series,
    batches: Sequence[int],
    inputs: Inputs,
    pace: Pace,
    first: bool,
) -> Iterator[Floor]:
    """At each batch where a model is that fast, and at the first one of all.

    It is an ONNX file: beside torch modules alone it would say nothing.
    """
    if all(isinstance(subject.artifact, TorchSource) for subject in subjects):
        return
    for place, batch in enumerate(batches):
        fastest = min(
            percentile([ns for epoch in series.samples_ns(index, batch) for ns in epoch], 50)
            for index in range(len(subjects))
        )
        if fastest < NEEDS_FLOOR_MS * 1e6 or (first and place == 0):
            setting = Setting(device=series.device, threads=series.threads, batch=batch)
            yield Floor(
                setting=setting,
                p50_ms=floor_ms(
                    subjects[0],
                    inputs=inputs,
                    batch=batch,
                    device=series.device,
                    threads=series.threads,
                    pace=pace,
                ),
            )


def _twins(artifacts: Mapping[str, Source], *, aa: bool) -> dict[str, str]:
    """name -> the name of the first file with the same bytes, itself when there is none."""
    first: dict[tuple[str, str], str] = {}
    if aa:
        return {name: name for name in artifacts}
    return {
        name: first.setdefault((runner_of(item), item.digest), name)
        for name, item in artifacts.items()
    }


def _asked(
    twin: Mapping[str, str], settings: BenchSettings, *, device: str, threads: int
) -> dict[tuple[int, int], Question]:
    """(timed subject, batch) -> what is asked of it or of files with its bytes."""
    place = {name: index for index, name in enumerate(dict.fromkeys(twin.values()))}
    found: dict[tuple[int, int], Question] = {}
    for name, timed in twin.items():
        for batch in settings.batch:
            setting = Setting(device=device, threads=threads, batch=batch)
            question = settings.asked_of(name, setting)
            if place[timed] > 0 and question is not None:
                key = (place[timed], batch)
                limits = (*found[key].limits, *question.limits) if key in found else question.limits
                found[key] = replace(question, limits=limits)
    return found


def latency(samples_ns: tuple[tuple[int, ...], ...], *, batch: int) -> Latency:
    """Statistics of calls, pooled over epochs."""
    pooled = [ns for epoch in samples_ns for ns in epoch]
    p50 = percentile(pooled, 50)
    return Latency(
        samples_ns=samples_ns,
        p50_ms=p50 / 1e6,
        p95_ms=percentile(pooled, 95) / 1e6 if len(pooled) >= ENOUGH[95] else None,
        p99_ms=percentile(pooled, 99) / 1e6 if len(pooled) >= ENOUGH[99] else None,
        throughput_per_s=batch * 1e9 / p50,
    )


def _measurement(
    name: str,
    artifact: Source,
    index: int,
    groups: Sequence[Series],
    settings: BenchSettings,
) -> Measurement:
    cold = [epoch.cold[index] for epoch in groups[0].epochs if index in epoch.cold]
    cells = tuple(
        Cell(
            setting=Setting(device=group.device, threads=group.threads, batch=batch),
            latency=latency(group.samples_ns(index, batch), batch=batch),
            memory=group.memory[index, batch],
            device_latency=_device_latency(group, index, batch),
            fallback_nodes=group.fallback(index),
        )
        for group in groups
        for batch in settings.batch
    )
    return Measurement(
        subject=name,
        digest=artifact.digest,
        size_bytes=artifact.size_bytes,
        cells=cells,
        cold_start=ColdStart(
            session_ms=median(session for session, _ in cold) / 1e6,
            first_call_ms=median(first for _, first in cold) / 1e6,
            samples=len(cold),
        ),
        contents=_contents(artifact),
    )


def _device_latency(group: Series, index: int, batch: int) -> Latency | None:
    samples_ns = group.device_ns(index, batch)
    return latency(samples_ns, batch=batch) if samples_ns else None


def _contents(artifact: Source) -> Contents | None:
    if isinstance(artifact, TorchSource):
        return None
    found = inspect_model(artifact.path)
    return Contents(
        external_bytes=found.external_bytes,
        parameters=found.parameters,
        macs=found.macs,
        operators=found.operators,
        tensor_bytes=found.tensor_bytes,
    )


def _compared(
    reference: str,
    name: str,
    twin: Mapping[str, str],
    place: Mapping[str, int],
    group: Series,
    batch: int,
    seed: int,
    settings: BenchSettings,
) -> Comparison:
    setting = Setting(device=group.device, threads=group.threads, batch=batch)
    question = settings.asked_of(name, setting) or Question()
    if twin[name] == twin[reference]:
        return identical(reference, name, setting=setting, limit=question.limit)
    ratios = group.log_ratios(place[twin[reference]], place[twin[name]], batch)
    return comparison(
        reference, name, setting=setting, log_ratios=ratios, seed=seed, question=question
    )
