"""Latency against offered rate: what a server's users would wait, queue included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.environment import read_environment
from benchmarks.feeds import Inputs
from benchmarks.floor import floor_ms
from benchmarks.pace import ENOUGH, STANDARD, Pace
from benchmarks.process import WorkerProcess
from benchmarks.quiet import exclusive_timing
from benchmarks.staging import Subject, open_subjects, staged
from benchmarks.stats import percentile
from benchmarks.values import NEEDS_FLOOR_MS, Load, LoadPoint, Setting
from exporters.cpus import check_threads
from exporters.errors import InputError
from exporters.events import Event

# Parts of the capacity: far from it, near it, and above it, where the queue only grows.
_PARTS = (0.3, 0.6, 0.8, 0.9, 1.1)
_LONGEST_S = 60.0  # of one rate; longer only to wait for enough requests of a slow model


def measure_load(
    model: Path,
    *,
    inputs: Inputs,
    rates: Sequence[float] | None = None,
    sessions: int = 1,
    device: str = "cpu",
    batch: int = 1,
    threads: int = 1,
    seconds: float = 10.0,
    seed: int,
    pace: Pace = STANDARD,
    on_event: Callable[[Event], None] | None = None,
) -> Load:
    """Requests of `batch` samples arrive at random (Poisson) at each rate per second, in one fresh
    process with `sessions` sessions of `threads` threads each.

    rates: None takes parts of the capacity, which is measured first. Each rate runs for `seconds`,
    or until there are enough requests for a 99th percentile, 60 s at most. Raises as measure does.
    """
    tell = on_event or (lambda event: None)
    check_threads(threads)
    for name, value in (("sessions", sessions), ("seconds", seconds)):
        if not value > 0:
            raise InputError(f"is {value}", where=name, cure="use more than 0")
    if rates is not None and not all(rate > 0 for rate in rates):
        raise InputError(f"{min(rates)} requests per second", cure="use rates above 0")
    artifacts = open_subjects({model.name: model})
    setting = Setting(device=device, threads=threads, batch=batch)

    def waiting() -> None:
        tell(Event("progress", "load", "waiting for another measurement on this host"))

    with staged(artifacts, inputs=inputs, batches=[batch]) as (subject,), exclusive_timing(waiting):
        environment = read_environment()
        limit_s = pace.limit_s + 3 * _LONGEST_S
        with WorkerProcess(source=subject.artifact.path, limit_s=limit_s) as worker:
            _open(worker, subject, setting, sessions=sessions, pace=pace)
            asked = {"batch": batch, "seconds": min(2.0, seconds)}
            capacity = float(worker.ask("saturate", **asked)["per_s"])
            chosen = tuple(rates) if rates else tuple(part * capacity for part in _PARTS)
            points = []
            for number, rate in enumerate(chosen):
                tell(Event("progress", "load", f"{rate:.4g} /s", number / len(chosen)))
                points.append(_point(worker, rate, batch, seconds, seed=seed + number))
            tell(Event("progress", "load", "done", 1.0))
        floor = None
        if min(point.p50_ms for point in points) < NEEDS_FLOOR_MS:
            floor = floor_ms(
                subject, inputs=inputs, batch=batch, device=device, threads=threads, pace=pace
            )
    return Load(
        environment=environment,
        subject=model.name,
        setting=setting,
        sessions=sessions,
        capacity_per_s=capacity,
        points=tuple(points),
        seed=seed,
        floor_ms=floor,
    )


def _open(
    worker: WorkerProcess, subject: Subject, setting: Setting, *, sessions: int, pace: Pace
) -> None:
    worker.request(subject.load_request([setting.batch], device=setting.device))
    opening = subject.open_request(
        device=setting.device, threads=setting.threads, batch=setting.batch
    )
    worker.request(opening)
    worker.ask("sessions", count=sessions, opening=opening)
    worker.ask("warm_up", batch=setting.batch, rule=asdict(pace.warm_up))


def _point(
    worker: WorkerProcess, rate: float, batch: int, seconds: float, *, seed: int
) -> LoadPoint:
    wanted_s = max(seconds, min(_LONGEST_S, ENOUGH[99] / rate))
    count = max(1, round(rate * wanted_s))
    found = worker.ask(
        "serve", batch=batch, rate=rate, count=count, seed=seed, end_s=1.5 * wanted_s
    )
    samples = tuple(int(ns) for ns in found["latency_ns"])
    return LoadPoint(
        offered_per_s=rate,
        achieved_per_s=(len(samples) - found["unserved"]) / found["seconds"],
        unserved=found["unserved"],
        p50_ms=percentile(samples, 50) / 1e6,
        p99_ms=percentile(samples, 99) / 1e6 if len(samples) >= ENOUGH[99] else None,
        samples_ns=samples,
    )
