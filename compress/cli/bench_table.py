"""What `distil bench` prints: the machine, a row per model and setting, a line per comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from benchmarks.values import Comparison, Measured
from compress.cli.streams import printable
from compress.report.quantities import milliseconds, per_second, percent, size, times

if TYPE_CHECKING:
    from collections.abc import Iterator


def header(measured: Measured) -> str:
    """The machine and what a number holds, in one line."""
    there = measured.environment
    parts = [
        there.cpu_model,
        f"{there.allowed_cpus} allowed CPUs",
        f"onnxruntime {there.versions.get('onnxruntime', '?')}",
        f"load {there.load_average:.1f}",
    ]
    if measured.floor_ms is not None:
        parts.append(f"an empty model takes {milliseconds(measured.floor_ms)}")
    return printable(", ".join(parts))


def measurement_table(measured: Measured) -> Table:
    """One row per model and setting. Latency is the wall time of one call of session.run."""
    table = Table(box=box.SIMPLE)
    table.add_column("model")
    table.add_column("on")
    for name in ("batch", "p50", "p95", "throughput", "memory", "cold start", "size"):
        table.add_column(name, justify="right")
    for found in measured.measurements:
        for cell in found.cells:
            p95 = cell.latency.p95_ms
            threads = cell.setting.threads
            cold_ms = found.cold_start.session_ms + found.cold_start.first_call_ms
            table.add_row(
                Text(printable(found.subject)),
                f"{cell.setting.device}, {threads} thread{'s' if threads > 1 else ''}",
                str(cell.setting.batch),
                milliseconds(cell.latency.p50_ms),
                "-" if p95 is None else milliseconds(p95),
                per_second(cell.latency.throughput_per_s),
                size(cell.memory.peak_delta_bytes),
                milliseconds(cold_ms),
                size(found.size_bytes),
            )
    return table


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
