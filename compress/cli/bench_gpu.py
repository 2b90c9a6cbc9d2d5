"""What `distil bench` prints of a GPU: its own times, its memory, where nodes ran, its clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.values import Cell, GpuLog, Measured, Spread
from compress.cli.streams import printable
from compress.report.gpu import gpu_warnings, readings, slowdown_words
from compress.report.quantities import milliseconds, size

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMED = 4  # nodes of a line


def gpu_lines(measured: Measured) -> Iterator[str]:
    """Nothing where all ran on the CPU."""
    for found in measured.measurements:
        for cell in found.cells:
            if cell.setting.device != "cpu":
                yield printable(f"{found.subject} ({_where(cell)}): {_cell(cell)}")
    for log in measured.gpus:
        yield printable(_log(log))
    for warning in gpu_warnings(measured):
        yield printable(f"warning: {warning}")


def _where(cell: Cell) -> str:
    return f"batch {cell.setting.batch}, {cell.setting.device}"


def _cell(cell: Cell) -> str:
    parts = []
    if cell.device_latency is not None:
        parts.append(f"{milliseconds(cell.device_latency.p50_ms)} on the device alone")
    held = cell.memory.device_bytes
    parts.append("its memory: not told" if held is None else f"{size(held)} of its memory")
    if cell.fallback_nodes is None:
        parts.append("nodes elsewhere: not told")
    elif cell.fallback_nodes:
        named = ", ".join(cell.fallback_nodes[:_NAMED])
        more = len(cell.fallback_nodes) - _NAMED
        rest = f" and {more} more" if more > 0 else ""
        parts.append(f"{len(cell.fallback_nodes)} nodes elsewhere: {named}{rest}")
    return ", ".join(parts)


def _log(log: GpuLog) -> str:
    parts = [f"{log.device}: {log.name}, CUDA {log.cuda}"]
    if log.driver:
        parts.append(f"driver {log.driver}")
    if not log.readings:
        return ", ".join([*parts, f"clocks not read: {log.note or 'it was too short'}"])
    parts += [_spread(name, found, unit) for name, found, unit in readings(log)]
    slow = slowdown_words(log)
    parts.append(f"slowed down: {slow}" if slow else "never slowed down")
    parts.append(f"{log.most_processes} processes at most")
    return ", ".join(parts)


def _spread(name: str, found: Spread | None, unit: str) -> str:
    if found is None:
        return f"{name} not told"
    return f"{name} {found.median:.0f} {unit} [{found.low:.0f}, {found.high:.0f}]"
