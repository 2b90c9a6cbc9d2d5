"""The sample report of a run that was also timed on a GPU, which something else used too."""

from __future__ import annotations

import dataclasses

from benchmarks.values import Cell, Floor, GpuLog, Latency, Measured, Measurement, Setting, Spread
from compress.values import Report
from tests.compress.report.sample import sample_report

CUDA = Setting(device="cuda", threads=1, batch=1)
NODES = tuple(f"/stages/{place}/Shape (Shape) on CPUExecutionProvider" for place in range(6))


def gpu_report() -> Report:
    """Teacher 0.42 ms, 0.31 ms of it on the device; 6 nodes of the student run on the CPU."""
    report = sample_report(controls=False)
    assert report.measured is not None
    teacher, student = report.measured.measurements
    measured = dataclasses.replace(
        report.measured,
        measurements=(
            _on_gpu(teacher, 0.42, alone_ms=0.31, held=412 << 20, nodes=()),
            _on_gpu(student, 0.21, alone_ms=0.06, held=388 << 20, nodes=NODES),
        ),
        floors=(*report.measured.floors, Floor(setting=CUDA, p50_ms=0.038)),
        gpus=(gpu_log(),),
    )
    return dataclasses.replace(report, measured=measured)


def gpu_log(*, most_processes: int = 3, slowdowns: dict[str, float] | None = None) -> GpuLog:
    """412 readings; a third process on it, and the power cap in a quarter of the time."""
    return GpuLog(
        device="cuda",
        name="NVIDIA H200",
        uuid="GPU-0",
        driver="580.65",
        cuda="13.0",
        memory_bytes=139 << 30,
        readings=412,
        sm_mhz=Spread(low=345, median=1755, high=1980),
        memory_mhz=Spread(low=3201, median=3201, high=3201),
        power_w=Spread(low=77.2, median=300.4, high=310.9),
        temperature_c=None,
        slowdowns={"power cap": 0.25} if slowdowns is None else slowdowns,
        most_processes=most_processes,
        note="",
    )


def cpu_alone(measured: Measured) -> Measured:
    """The same without what a GPU gave."""
    return dataclasses.replace(
        measured,
        measurements=tuple(
            dataclasses.replace(
                m, cells=tuple(cell for cell in m.cells if cell.setting.device == "cpu")
            )
            for m in measured.measurements
        ),
        gpus=(),
    )


def _on_gpu(
    found: Measurement, whole_ms: float, *, alone_ms: float, held: int, nodes: tuple[str, ...]
) -> Measurement:
    cell = Cell(
        setting=CUDA,
        latency=_latency(whole_ms),
        memory=dataclasses.replace(found.cells[0].memory, device_bytes=held),
        device_latency=_latency(alone_ms),
        fallback_nodes=nodes,
    )
    return dataclasses.replace(found, cells=(*found.cells, cell))


def _latency(ms: float) -> Latency:
    calls = tuple(round(ms * 1e6 * (1 + place / 2000)) for place in range(-10, 11))
    return Latency(
        samples_ns=(calls,) * 10, p50_ms=ms, p95_ms=ms * 1.005, throughput_per_s=1000 / ms
    )
