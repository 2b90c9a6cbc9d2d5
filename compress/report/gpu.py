"""What a report tells of a GPU: its own times, its memory, where nodes ran, its clocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.values import Cell, GpuLog, Measured, Spread
from compress.report import quantities as q
from compress.report.subjects import setting_words


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuRow:
    """One model at one setting. nodes: those that ran elsewhere, None where that is not told."""

    subject: str
    where: str
    whole: str  # from arrays on the host to arrays on the host
    floor: str  # what an empty model takes; empty from 1 ms on
    alone: str  # on the device, tensors stay there
    memory: str
    nodes: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLogWords:
    """One GPU while it was timed. facts: (what, number, from lowest to highest)."""

    heading: str
    detail: str
    facts: tuple[tuple[str, str, str], ...]
    note: str  # why there are no readings


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSection:
    """warnings: what else may have made a number wrong."""

    rows: tuple[GpuRow, ...]
    logs: tuple[GpuLogWords, ...]
    warnings: tuple[str, ...]


def gpu_section(measured: Measured | None) -> GpuSection | None:
    """None where all ran on the CPU."""
    if measured is None:
        return None
    rows = tuple(
        _row(measured, found.subject, cell)
        for found in measured.measurements
        for cell in found.cells
        if cell.setting.device != "cpu"
    )
    if not rows and not measured.gpus:
        return None
    return GpuSection(
        rows=rows,
        logs=tuple(map(_log, measured.gpus)),
        warnings=gpu_warnings(measured),
    )


def gpu_warnings(measured: Measured) -> tuple[str, ...]:
    """Other users of a GPU, and a GPU that slowed down. Ours are as many as the models."""
    return tuple(
        warning
        for log in measured.gpus
        for warning in (_others(log, len(measured.measurements)), _slowdown(log))
        if warning
    )


def readings(log: GpuLog) -> Iterator[tuple[str, Spread | None, str]]:
    """Name, spread and unit of everything that was read."""
    yield "SM clock", log.sm_mhz, "MHz"
    yield "memory clock", log.memory_mhz, "MHz"
    yield "power", log.power_w, "W"
    yield "temperature", log.temperature_c, "C"


def slowdown_words(log: GpuLog) -> str:
    """power cap 25 %, by share of the readings; empty where it never slowed down."""
    return ", ".join(f"{name} {q.percent(share, 0)}" for name, share in log.slowdowns.items())


def _row(measured: Measured, subject: str, cell: Cell) -> GpuRow:
    alone, held = cell.device_latency, cell.memory.device_bytes
    floor = measured.floor_beside(cell.latency.p50_ms, cell.setting)
    return GpuRow(
        subject=subject,
        where=setting_words(cell.setting),
        whole=q.milliseconds(cell.latency.p50_ms),
        floor="" if floor is None else q.milliseconds(floor),
        alone="not told" if alone is None else q.milliseconds(alone.p50_ms),
        memory="not told" if held is None else q.size(held),
        nodes=cell.fallback_nodes,
    )


def _log(log: GpuLog) -> GpuLogWords:
    detail = [f"{q.size(log.memory_bytes)} memory", f"CUDA {log.cuda}"]
    if log.driver:
        detail.append(f"driver {log.driver}")
    facts: list[tuple[str, str, str]] = []
    if log.readings:
        for name, found, unit in readings(log):
            if found is not None:
                facts.append((_capital(name), f"{found.median:,.0f} {unit}", _range(found, unit)))
        slow = slowdown_words(log)
        facts.append(("Slowed down", slow or "never", f"in {q.count(log.readings)} readings"))
        facts.append(("Processes", q.count(log.most_processes), "at most at once"))
    return GpuLogWords(
        heading=f"{log.device}: {log.name}",
        detail=", ".join(detail),
        facts=tuple(facts),
        note="" if log.readings else f"Clocks were not read: {log.note or 'it was too short'}.",
    )


def _range(found: Spread, unit: str) -> str:
    if found.low == found.high:
        return "throughout"
    return f"{found.low:,.0f} to {found.high:,.0f} {unit}"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _others(log: GpuLog, models: int) -> str:
    if log.most_processes <= models:
        return ""
    ours = "only one is" if models == 1 else f"at most {models} are"
    return (
        f"{log.most_processes} processes used {log.device} ({log.name}) at once, and {ours} of "
        "this measurement: others may have changed its times"
    )


def _slowdown(log: GpuLog) -> str:
    slow = slowdown_words(log)
    return f"{log.device} ({log.name}) slowed down: {slow} of the readings" if slow else ""
