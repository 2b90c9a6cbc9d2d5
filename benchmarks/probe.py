"""One fresh process per model and batch: its memory first, then how many calls make a block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.gpu import Nvml
from benchmarks.pace import Pace
from benchmarks.process import WorkerProcess
from benchmarks.staging import Subject
from benchmarks.timing import WarmUp, calls_per_block
from benchmarks.values import Memory, Setting

# Enough to see whether a call takes microseconds or a second; a block's length needs no more.
_GLANCE = WarmUp(min_calls=6, min_ns=50_000_000, max_ns=1_000_000_000, tolerance=0.2)


def probe(
    subject: Subject,
    setting: Setting,
    *,
    pace: Pace,
    cpu_nodes: int = 0,
    gpu: Mapping[str, Any] | None = None,
) -> tuple[Memory, int]:
    """(memory at this batch, calls per block). Memory is read before any timing.

    gpu: the device of `find_gpu`, for the memory that it counts for this process.
    """
    batch = setting.batch
    with WorkerProcess(source=subject.artifact.path, limit_s=pace.limit_s) as worker:
        loaded = worker.request(subject.load_request([batch], device=setting.device))
        opened = worker.request(
            subject.open_request(
                device=setting.device, threads=setting.threads, batch=batch, cpu_nodes=cpu_nodes
            )
        )
        # Some arenas grow again at the second call (onnxruntime issue 14477).
        worker.ask("time", batch=batch, calls=2)
        used = worker.ask("memory")
        on_device = None if gpu is None else _device_bytes(gpu, worker.pid)
        samples = worker.ask("warm_up", batch=batch, rule=asdict(_GLANCE))["samples_ns"]
    memory = Memory(
        baseline_bytes=loaded["resident_bytes"],
        loaded_bytes=opened["resident_bytes"],
        load_peak_bytes=opened["load_peak_bytes"],
        peak_bytes=used["peak_bytes"],
        batch=batch,
        device_bytes=on_device,
    )
    calls = calls_per_block(
        # The fastest: what else runs makes calls longer, and this model's blocks shorter.
        min(samples),
        block_ns=pace.block_ns,
        most=pace.most_calls,
    )
    return memory, calls


def find_gpu(device: str, *, pace: Pace) -> dict[str, Any] | None:
    """The GPU that a worker gets, by name and UUID; None for the CPU. RuntimeMissing: none is."""
    if device == "cpu":
        return None
    with WorkerProcess(source=Path(device), limit_s=pace.limit_s) as worker:
        return worker.ask("gpu")


def _device_bytes(gpu: Mapping[str, Any], pid: int) -> int | None:
    with Nvml(gpu["uuid"]) as nvml:
        return nvml.process_bytes(pid)
