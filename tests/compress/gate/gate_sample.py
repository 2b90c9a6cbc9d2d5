"""A small report whose numbers are easy to judge by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.values import (
    Cell,
    ColdStart,
    Comparison,
    Environment,
    Latency,
    Measured,
    Measurement,
    Memory,
    Setting,
)
from compress.metrics.binomial import clopper_pearson_upper
from compress.metrics.tango import difference_high_bound, difference_low_bound
from compress.recipe.nodes import Budget
from compress.values import (
    REPORT_VERSION,
    ExportFacts,
    History,
    PairedQuality,
    Quality,
    Report,
)
from exporters.values import Parity

B1 = Setting(device="cpu", threads=1, batch=1)
DIGEST = "ab" * 32
MIB = 1 << 20


def budget(**fields: Any) -> Budget:
    return Budget.model_validate({"id": "b", **fields})


def latency(epoch_ms: Sequence[float], calls: int = 20) -> Latency:
    """Every call of an epoch takes the same time."""
    samples = tuple((round(ms * 1e6),) * calls for ms in epoch_ms)
    middle = sorted(epoch_ms)[len(epoch_ms) // 2]
    return Latency(samples_ns=samples, p50_ms=middle, p95_ms=middle, throughput_per_s=1000 / middle)


def measurement(subject: str, *, size: int, epoch_ms: Sequence[float], peak: int) -> Measurement:
    memory = Memory(
        baseline_bytes=40 * MIB, loaded_bytes=41 * MIB, peak_bytes=40 * MIB + peak, batch=1
    )
    return Measurement(
        subject=subject,
        digest=DIGEST if subject == "student" else "cd" * 32,
        size_bytes=size,
        cells=(Cell(setting=B1, latency=latency(epoch_ms), memory=memory),),
        cold_start=ColdStart(session_ms=5.0, first_call_ms=2.0, samples=5),
    )


def pair(*, samples: int = 10_000, lost: int = 305, gained: int = 55) -> PairedQuality:
    return PairedQuality(
        reference="teacher",
        candidate="student",
        samples=samples,
        difference=(gained - lost) / samples,
        difference_low_bound=difference_low_bound(gained, lost, samples),
        difference_high_bound=difference_high_bound(gained, lost, samples),
        lost=lost,
        gained=gained,
        mcnemar_p=0.01,
        negative_flip_rate=lost / samples,
        negative_flip_rate_upper=clopper_pearson_upper(lost, samples),
        agreement=1 - (lost + gained) / samples,
        classes=(),
    )


def report(
    *,
    log_ratios: Sequence[float] = (-2.5,) * 12,
    student_ms: Sequence[float] = (0.2, 0.21, 0.19, 0.2, 0.2, 0.21, 0.19, 0.2, 0.2, 0.2, 0.2, 0.2),
    student_size: int = 100_000,
    teacher_size: int = 1_000_000,
    pairs: tuple[PairedQuality, ...] | None = None,
    measured: bool = True,
    name: str = "toy",
    verdict: Any = "faster",
) -> Report:
    found = Measured(
        environment=Environment(
            cpu_model="toy",
            cpu_flags=(),
            allowed_cpus=1,
            memory_bytes=1,
            platform="linux",
            python="3.11",
            versions={},
            load_average=0.0,
            governor=None,
        ),
        measurements=(
            measurement("teacher", size=teacher_size, epoch_ms=[2.4] * 12, peak=8 * MIB),
            measurement("student", size=student_size, epoch_ms=student_ms, peak=4 * MIB),
        ),
        comparisons=(
            Comparison(
                reference="teacher",
                candidate="student",
                setting=B1,
                log_ratios=tuple(log_ratios),
                speedup=12.18,
                speedup_low=12.0,
                speedup_high=12.4,
                verdict=verdict,
                smallest_detectable=0.01,
            ),
        ),
        floor_ms=0.005,
        seed=0,
    )
    parity = Parity(
        samples=256,
        batches=(1, 2, 33),
        max_abs_diff=2e-5,
        top1_agreement=1.0,
        atol=1e-3,
        rtol=1e-3,
        passed=True,
    )
    return Report(
        version=REPORT_VERSION,
        name=name,
        created_at="2026-11-24T13:12:05Z",
        recipe_digest="00",
        recipe_text="",
        task="toy",
        classes=("a", "b"),
        class_counts={},
        data_fingerprint="00",
        seed=0,
        versions={},
        stages=(),
        decisions=(),
        history=History(
            epochs=(),
            precision="float32",
            processes=1,
            resumed_from_steps=(),
            parameters=78_042,
            macs=1_000_000,
        ),
        control_history=None,
        export=ExportFacts(opset=20, ir_version=10, parity=parity),
        sizes=(),
        measured=found if measured else None,
        qualities=(
            Quality(
                subject="student",
                samples=10_000,
                accuracy=0.926,
                accuracy_low=0.92,
                accuracy_high=0.93,
            ),
        ),
        pairs=(pair(),) if pairs is None else pairs,
        verdicts=(),
    )
