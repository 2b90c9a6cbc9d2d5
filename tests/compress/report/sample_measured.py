"""What `benchmarks` would have measured of the sample report's models."""

from __future__ import annotations

import hashlib
import math
import random

from benchmarks.values import (
    Cell,
    ColdStart,
    Comparison,
    Environment,
    Floor,
    Latency,
    Measured,
    Measurement,
    Memory,
    Setting,
)


def digest(word: str) -> str:
    """A SHA-256 that belongs to a word."""
    return hashlib.sha256(word.encode()).hexdigest()


def sample_measured(rng: random.Random, *, controls: bool) -> Measured:
    rows = [
        ("teacher", 2_842_112, 2.51, 66.8, 16.2),
        ("student", 119_872, 0.189, 4.31, 4.9),
    ]
    if controls:
        rows += [
            ("teacher int8", 806_400, 0.851, 24.1, 9.8),
            ("student on labels", 119_872, 0.190, 4.33, 4.9),
        ]
    measurements = tuple(_measurement(rng, *row) for row in rows)
    teacher = measurements[0]
    comparisons = tuple(
        _comparison(rng, teacher.cells[i], candidate.cells[i], candidate.subject)
        for candidate in measurements[1:]
        for i in range(2)
    )
    return Measured(
        environment=Environment(
            cpu_model="Intel(R) Xeon(R) Platinum 8581C CPU @ 2.10GHz",
            cpu_flags=("avx2", "avx512_vnni", "amx_int8"),
            allowed_cpus=2,
            memory_bytes=8 * 2**30,
            platform="Linux-6.1.0-x86_64-with-glibc2.36",
            python="3.11.2",
            versions={"onnxruntime": "1.32.0", "numpy": "2.4.6", "onnx": "1.23.2"},
            load_average=0.42,
            governor=None,
        ),
        measurements=measurements,
        comparisons=comparisons,
        floor_ms=0.0052,
        seed=7,
        floors=(Floor(setting=measurements[0].cells[0].setting, p50_ms=0.0052),),
    )


def _latency(rng: random.Random, ms: float, *, epochs: int, calls: int, batch: int) -> Latency:
    rows = []
    for _ in range(epochs):
        level = ms * math.exp(rng.gauss(0, 0.008))
        rows.append(
            tuple(
                round(1e6 * level * (0.985 + rng.gammavariate(2.0, 0.0075) + _spike(rng)))
                for _ in range(calls)
            )
        )
    pooled = sorted(value for row in rows for value in row)
    p50_ms = pooled[len(pooled) // 2] / 1e6
    return Latency(
        samples_ns=tuple(rows),
        p50_ms=p50_ms,
        p95_ms=pooled[int(len(pooled) * 0.95)] / 1e6 if len(pooled) >= 130 else None,
        throughput_per_s=batch * 1000 / p50_ms,
    )


def _spike(rng: random.Random) -> float:
    return rng.expovariate(3) if rng.random() < 0.015 else 0.0


def _measurement(
    rng: random.Random, subject: str, size: int, batch1_ms: float, batch32_ms: float, peak: float
) -> Measurement:
    base = 41_500_000

    def cell(batch: int, ms: float, calls: int) -> Cell:
        return Cell(
            setting=Setting(device="cpu", threads=1, batch=batch),
            latency=_latency(rng, ms, epochs=12, calls=calls, batch=batch),
            memory=Memory(
                baseline_bytes=base,
                loaded_bytes=base + int(peak * 0.6e6),
                peak_bytes=base + int(peak * 1e6 * (1 + batch / 40)),
                batch=batch,
            ),
        )

    return Measurement(
        subject=subject,
        digest=digest(subject),
        size_bytes=size,
        cells=(cell(1, batch1_ms, 160), cell(32, batch32_ms, 20)),
        cold_start=ColdStart(
            session_ms=3.1 + size / 2e5, first_call_ms=batch1_ms * 2.3, samples=12
        ),
    )


def _comparison(rng: random.Random, reference: Cell, candidate: Cell, name: str) -> Comparison:
    center = math.log(candidate.latency.p50_ms / reference.latency.p50_ms)
    ratios = tuple(center + rng.gauss(0, 0.01) for _ in range(12))
    return Comparison(
        reference="teacher",
        candidate=name,
        setting=candidate.setting,
        log_ratios=ratios,
        speedup=math.exp(-center),
        speedup_low=math.exp(-center - 0.011),
        speedup_high=math.exp(-center + 0.011),
        verdict="faster",
        smallest_detectable=0.013,
    )
