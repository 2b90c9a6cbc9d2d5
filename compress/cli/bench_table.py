"""What `distil bench` prints: the machine, a row per model and setting, lines on what else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from benchmarks.values import Cell, Comparison, Measured
from compress.cli.streams import printable
from compress.report.quantities import milliseconds, per_second, percent, size, times

if TYPE_CHECKING:
    from collections.abc import Iterator


def header(measured: Measured) -> str:
    """The machine and what a number holds, in one line."""
    there = measured.environment
    parts = [
        there.cpu_model,
        f"{there.allowed_cpus} allowed CPU{'s' if there.allowed_cpus != 1 else ''}",
        f"onnxruntime {there.versions.get('onnxruntime', '?')}",
        f"load {there.load_average:.1f}",
    ]
    if len(settings := _settings(measured)) == 1:
        parts += settings
    if measured.floor_ms is not None:
        parts.append(f"an empty model takes {milliseconds(measured.floor_ms)}")
    return printable(", ".join(parts))


def measurement_table(measured: Measured) -> Table:
    """One row per model and setting; fits 80 columns where all have one device and thread count.

    Latency is the wall time of one call of session.run.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    several = len(_settings(measured)) > 1
    if several:
        table.add_column("on", no_wrap=True)
    for name in ("batch", "p50", "p95", "throughput", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    for found in measured.measurements:
        for cell in found.cells:
            p95 = cell.latency.p95_ms
            table.add_row(
                Text(printable(found.subject)),
                *([_where(cell)] if several else []),
                str(cell.setting.batch),
                milliseconds(cell.latency.p50_ms),
                "-" if p95 is None else milliseconds(p95),
                per_second(cell.latency.throughput_per_s),
                size(cell.memory.peak_delta_bytes),
            )
    return table


def model_lines(measured: Measured) -> Iterator[str]:
    """What belongs to a file and not to a setting: its size and its cold start."""
    for found in measured.measurements:
        cold_ms = found.cold_start.session_ms + found.cold_start.first_call_ms
        text = f"{found.subject}: {size(found.size_bytes)}, cold start {milliseconds(cold_ms)}"
        yield printable(text)


def _settings(measured: Measured) -> list[str]:
    """Devices and thread counts, each once."""
    cells = (cell for found in measured.measurements for cell in found.cells)
    return list(dict.fromkeys(_where(cell) for cell in cells))


def _where(cell: Cell) -> str:
    threads = cell.setting.threads
    return f"{cell.setting.device}, {threads} thread{'s' if threads > 1 else ''}"


def comparison_lines(measured: Measured) -> Iterator[str]:
    """B against A, with the interval and what could have been seen."""
    for found in measured.comparisons:
        where = f"batch {found.setting.batch}, {found.setting.device}"
        if found.setting.threads > 1:
            where += f", {found.setting.threads} threads"
        yield printable(f"{found.candidate} against {found.reference} ({where}): {_verdict(found)}")


def _verdict(found: Comparison) -> str:
    if found.verdict == "identical":
        return "identical (same bytes, not measured)"
    interval = f"[{times(found.speedup_low)}, {times(found.speedup_high)}]"
    text = f"{found.verdict}, {times(found.speedup)} as fast {interval}, k={len(found.log_ratios)}"
    if found.smallest_detectable is not None:
        text += f", a change of {percent(found.smallest_detectable, 1)} could be seen"
    return text
