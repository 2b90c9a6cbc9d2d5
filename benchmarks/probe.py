"""One fresh process per model and batch: its memory first, then how many calls make a block."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median

from benchmarks.pace import Pace
from benchmarks.process import WorkerProcess
from benchmarks.staging import Subject
from benchmarks.timing import WarmUp, calls_per_block
from benchmarks.values import Memory, Setting

# Enough to see whether a call takes microseconds or a second; a block's length needs no more.
_GLANCE = WarmUp(min_calls=6, min_ns=50_000_000, max_ns=1_000_000_000, tolerance=0.2)


def probe(subject: Subject, setting: Setting, *, pace: Pace) -> tuple[Memory, int]:
    """(memory at this batch, calls per block). Memory is read before any timing."""
    batch = setting.batch
    with WorkerProcess(source=subject.artifact.path, limit_s=pace.limit_s) as worker:
        loaded = worker.ask("load", feeds={str(batch): dict(subject.feed_files[batch])})
        opened = worker.ask(
            "open",
            path=str(subject.model),
            threads=setting.threads,
            device=setting.device,
            batch=batch,
        )
        # Some arenas grow again at the second call (onnxruntime issue 14477).
        worker.ask("time", batch=batch, calls=2)
        used = worker.ask("memory")
        samples = worker.ask("warm_up", batch=batch, rule=asdict(_GLANCE))["samples_ns"]
    memory = Memory(
        baseline_bytes=loaded["resident_bytes"],
        loaded_bytes=opened["resident_bytes"],
        load_peak_bytes=opened["load_peak_bytes"],
        peak_bytes=used["peak_bytes"],
        batch=batch,
    )
    calls = calls_per_block(
        median(samples[len(samples) // 2 :]), block_ns=pace.block_ns, most=pace.most_calls
    )
    return memory, calls
