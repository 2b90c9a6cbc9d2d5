"""What `distil bench` prints: the machine, a row per model and setting, lines on what else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from benchmarks.values import NEEDS_FLOOR_MS, Cell, Comparison, Contents, Measured
from compress.cli.streams import printable
from compress.gate.wording import detectable
from compress.report.quantities import count, milliseconds, per_second, size, times

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

    Latency is the wall time of one call of session.run; beside one below a millisecond stands that
    of an empty model.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    several = len(_settings(measured)) > 1
    if several:
        table.add_column("on", no_wrap=True)
    short = any(c.latency.p50_ms < NEEDS_FLOOR_MS for m in measured.measurements for c in m.cells)
    for name in ("batch", "p50", *(["empty"] if short else []), "p95", "throughput", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    for found in measured.measurements:
        for cell in found.cells:
            p95 = cell.latency.p95_ms
            table.add_row(
                Text(printable(found.subject)),
                *([_where(cell)] if several else []),
                str(cell.setting.batch),
                milliseconds(cell.latency.p50_ms),
                *([_floor(cell, measured)] if short else []),
                "-" if p95 is None else milliseconds(p95),
                per_second(cell.latency.throughput_per_s),
                size(cell.memory.peak_delta_bytes),
            )
    return table


def _floor(cell: Cell, measured: Measured) -> str:
    floor = measured.floor_beside(cell.latency.p50_ms, cell.setting)
    return "" if floor is None else milliseconds(floor)


def model_lines(measured: Measured) -> Iterator[str]:
    """What belongs to a file and not to a setting: its bytes, its work and its cold start."""
    for found in measured.measurements:
        cold = found.cold_start
        parts = [f"{size(found.size_bytes)}{_by_type(found.contents)}", *_work(found.contents)]
        parts.append(
            f"cold start {milliseconds(cold.session_ms + cold.first_call_ms)} "
            f"(session {milliseconds(cold.session_ms)}, "
            f"first call {milliseconds(cold.first_call_ms)})"
        )
        parts.append(f"{size(found.cells[0].memory.load_delta_bytes)} after loading")
        yield printable(f"{found.subject}: {', '.join(parts)}")


def _by_type(contents: Contents | None) -> str:
    if contents is None:
        return ""
    parts = [f"{kind} {size(number)}" for kind, number in contents.tensor_bytes.items()]
    if contents.external_bytes:
        parts.append(f"{size(contents.external_bytes)} beside the file")
    return f" ({', '.join(parts)})" if parts else ""


def _work(contents: Contents | None) -> Iterator[str]:
    if contents is None:
        return
    if contents.macs is not None:
        yield f"{count(contents.macs)} MACs per sample"
    nodes = sum(contents.operators.values())
    yield f"{count(nodes)} operator{'s' if nodes != 1 else ''}"


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
    epochs = len(found.log_ratios)
    text = f"{found.verdict}, {times(found.speedup)} as fast {interval}, k={epochs}"
    return f"{text}, {detectable(found)}"
