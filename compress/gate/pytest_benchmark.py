"""Files of pytest-benchmark as evidence. benchmark_schema.py writes a measurement in that schema.

The schema is the one of its own storage (`machine_info`, `commit_info`, `benchmarks`, each with
`stats` in seconds); https://pytest-benchmark.readthedocs.io, files of `--benchmark-json`.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.values import (
    Cell,
    ColdStart,
    Comparison,
    Environment,
    Latency,
    Measured,
    Measurement,
    Memory,
    Setting,
)
from compress.errors import InputError
from compress.gate.lookup import BASELINE, STUDENT, TEACHER
from compress.gate.sources import BenchmarkSource
from compress.values import Report

_File = tuple[str, dict[str, Any]]  # its path and what is in it
_LARGEST_BYTES = 256 * 2**20
_CURE = "write it with `pytest --benchmark-json FILE --benchmark-save-data`"


def read_benchmarks(node: BenchmarkSource, *, folder: Path) -> Report:
    """Each file is one epoch: one process that ran all of its benchmarks.

    Without raw data (`--benchmark-save-data`) a file gives its median alone; all together are as
    old as the oldest. Raises InputError where a file is missing, malformed, given twice, or lacks a
    benchmark that is named.
    """
    from compress.gate.evidence import empty_report

    files = _once([_read(folder / name) for name in node.pytest_benchmark])
    names = {STUDENT: node.student, TEACHER: node.teacher, BASELINE: node.baseline}
    epochs = {
        subject: tuple(_samples_ns(data, name, where=path) for path, data in files)
        for subject, name in names.items()
        if name is not None
    }
    setting = Setting(device=node.on, threads=node.threads, batch=node.batch)
    comparisons = tuple(
        _comparison(subject, setting, epochs[subject], epochs[STUDENT])
        for subject in (TEACHER, BASELINE)
        if subject in epochs
    )
    measured = Measured(
        environment=_environment(files[0][1]),
        measurements=tuple(_measurement(s, setting, e) for s, e in epochs.items()),
        comparisons=comparisons,
        floor_ms=None,
        seed=0,
    )
    import dataclasses

    created = _oldest([str(data.get("datetime", "")) for _, data in files])
    report = empty_report(node.student)
    return dataclasses.replace(report, created_at=created, measured=measured)


def _once(files: list[_File]) -> list[_File]:
    """The files as they are. InputError for two of equal content, which are one process."""
    for at, (path, data) in enumerate(files):
        before = next((other for other, found in files[:at] if found == data), None)
        if before is not None:
            raise InputError(
                f"holds what {before} holds: one process, which would count twice",
                where=path,
                cure="name each file once, one per process",
            )
    return files


def _oldest(dates: list[str]) -> str:
    """The first of some dates; where one is no date, that one: nobody knows its age."""

    def day(text: str) -> str:
        try:
            return date.fromisoformat(text[:10]).isoformat()
        except ValueError:
            return ""

    return min(dates, key=day)


def _read(path: Path) -> _File:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(
                "is larger than 256 MiB", where=str(path), cure="is it the right file?"
            )
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"can't be read: {reason}", where=str(path), cure=_CURE) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON: {error}", where=str(path), cure=_CURE) from error
    if not isinstance(data, dict) or not isinstance(data.get("benchmarks"), list):
        raise InputError("is no file of pytest-benchmark", where=str(path), cure=_CURE)
    return str(path), data


def _samples_ns(data: Mapping[str, Any], name: str, *, where: str) -> tuple[int, ...]:
    rows = [row for row in data["benchmarks"] if isinstance(row, dict)]
    found = next((row for row in rows if name in (row.get("name"), row.get("fullname"))), None)
    if found is None:
        known = ", ".join(str(row.get("name"))[:80] for row in rows[:8]) or "none"
        what = f"has no benchmark {name[:80]!r}"
        raise InputError(what, where=where, cure=f"names in it: {known}")
    stats = found.get("stats")
    stats = stats if isinstance(stats, dict) else {}
    seconds = stats.get("data") or [stats.get("median")]
    try:
        samples = tuple(round(float(value) * 1e9) for value in seconds)
    except (TypeError, ValueError, OverflowError):
        samples = ()
    if not samples or min(samples) <= 0:
        raise InputError(f"{name[:80]!r} has no times", where=where, cure=_CURE)
    return samples


def _comparison(
    reference: str,
    setting: Setting,
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
) -> Comparison:
    from benchmarks.compare import comparison

    pairs = zip(before, after, strict=True)
    ratios = [math.log(statistics.median(b) / statistics.median(a)) for a, b in pairs]
    return comparison(reference, STUDENT, setting=setting, log_ratios=ratios, seed=0)


def _measurement(
    subject: str, setting: Setting, epochs: tuple[tuple[int, ...], ...]
) -> Measurement:
    pooled = sorted(ns for epoch in epochs for ns in epoch)
    p50 = statistics.median(pooled)
    latency = Latency(
        samples_ns=epochs,
        p50_ms=p50 / 1e6,
        p95_ms=None,
        throughput_per_s=setting.batch * 1e9 / p50,
    )
    nothing = Memory(baseline_bytes=0, loaded_bytes=0, peak_bytes=0, batch=setting.batch)
    return Measurement(
        subject=subject,
        digest="",
        size_bytes=0,
        cells=(Cell(setting=setting, latency=latency, memory=nothing),),
        cold_start=ColdStart(session_ms=0.0, first_call_ms=0.0, samples=0),
    )


def _environment(data: Mapping[str, Any]) -> Environment:
    machine = data.get("machine_info")
    machine = machine if isinstance(machine, dict) else {}
    cpu = machine.get("cpu")
    cpu = cpu if isinstance(cpu, dict) else {}
    return Environment(
        cpu_model=str(cpu.get("brand_raw") or machine.get("processor") or "unknown"),
        cpu_flags=(),
        allowed_cpus=int(cpu["count"]) if isinstance(cpu.get("count"), int) else 0,
        memory_bytes=0,
        platform=str(machine.get("system", "")),
        python=str(machine.get("python_version", "")),
        versions={},
        load_average=0.0,
        governor=None,
    )
