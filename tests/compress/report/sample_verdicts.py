"""A verdict of every status, for the sample report."""

from __future__ import annotations

from compress.values import Verdict


def sample_verdicts() -> tuple[Verdict, ...]:
    return (
        Verdict(
            budget="accuracy",
            metric="accuracy",
            status="pass",
            observed="-2.50 pp (at worst -2.79 pp)",
            limit=">= -3.5 pp",
            margin="0.71 pp",
            level="error",
            reason="Tango lower bound at 95 %, 10,000 samples, 305 lost, 55 gained",
        ),
        Verdict(
            budget="speed",
            metric="latency.p50",
            status="pass",
            observed="13.3x [13.1, 13.4]",
            limit=">= 8x",
            margin="+5.3x",
            level="error",
            reason="paired, 12 epochs, cpu, batch 1, 1 thread, 2.51 ms -> 0.189 ms",
        ),
        Verdict(
            budget="size",
            metric="file_bytes",
            status="pass",
            observed="117 KiB",
            limit="<= 300 KiB",
            margin="183 KiB",
            level="error",
            reason="bytes of student.onnx",
        ),
        Verdict(
            budget="tiny",
            metric="file_bytes",
            status="violated",
            observed="117 KiB",
            limit="<= 100 KiB",
            margin="-17.1 KiB",
            level="error",
            reason="bytes of student.onnx",
        ),
        Verdict(
            budget="tail",
            metric="latency.p95",
            status="inconclusive",
            observed="0.205 ms [0.198, 0.214]",
            limit="<= 0.2 ms",
            margin="-0.005 ms",
            level="warn",
            reason="the limit lies inside the interval of 12 epochs; 24 more would decide it",
        ),
        Verdict(
            budget="memory",
            metric="memory.peak_rss_delta",
            status="waived",
            observed="4.79 MiB",
            limit="<= 4 MiB",
            margin="-0.79 MiB",
            level="error",
            reason="VmHWM of a fresh process, batch 1",
            waiver="until 2026-12-31: arena of the runtime, tracked in #123",
        ),
        Verdict(
            budget="gpu-speed",
            metric="latency.p50",
            status="unmeasured",
            observed="",
            limit=">= 4x",
            margin="",
            level="warn",
            reason="nothing was timed on cuda; add cuda to bench.devices",
        ),
    )
