"""A rich report as a real run would give it: for the tests of every room that reads reports."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random

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
from compress.values import (
    REPORT_VERSION,
    ClassChange,
    Decision,
    Epoch,
    ExportFacts,
    History,
    PairedQuality,
    Quality,
    Report,
    SizeStep,
    StageRecord,
    Verdict,
)
from exporters.values import Parity

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_TEACHER_RIGHT = (914, 993, 933, 957, 931, 991, 849, 980, 992, 970)
_LOST = (38, 6, 46, 27, 41, 12, 98, 14, 7, 16)
_GAINED = (9, 2, 8, 7, 9, 4, 6, 5, 3, 2)

RECIPE = """\
schema: 1
name: fashion
task:     {kind: image-arrays, source: fashion-mnist}
teacher:  {kind: torch, target: "model.py:teacher", weights: teacher.safetensors}
student:  {kind: python, target: "model.py:student"}
distill:  {loss: {kind: kd, temperature: 4, weight: 0.9}, epochs: 12, batch: 256}
quantize: {kind: auto}
bench:    {devices: [cpu], batch: [1, 32], threads: [1]}
budgets:
  - {id: accuracy, metric: accuracy,    vs: teacher, max_drop: 3.5pp}
  - {id: speed,    metric: latency.p50, vs: teacher, min_speedup: 8x}
  - {id: size,     metric: file_bytes,  max: 300KiB}
"""


def digest(word: str) -> str:
    """A SHA-256 that belongs to a word."""
    return hashlib.sha256(word.encode()).hexdigest()


def sample_report(*, controls: bool = True, seed: int = 3) -> Report:
    """Teacher 95.1 % and 2.5 ms, int8 student 92.6 % and 0.19 ms; a verdict of each status.

    controls adds the two control rows and the control's history.
    """
    rng = random.Random(seed)
    return Report(
        version=REPORT_VERSION,
        name="fashion",
        created_at="2026-11-24T13:12:05Z",
        recipe_digest=digest("recipe"),
        recipe_text=RECIPE,
        task="fashion-mnist",
        classes=CLASSES,
        class_counts={
            "train": (5500,) * 10,
            "validation": (500,) * 10,
            "test": (1000,) * 10,
        },
        data_fingerprint=digest("data"),
        seed=0,
        versions={
            "distil": "0.1.0",
            "python": "3.11.2",
            "torch": "2.13.0+cpu",
            "onnx": "1.23.2",
            "onnxruntime": "1.32.0",
            "numpy": "2.4.6",
        },
        stages=_stages(),
        decisions=_decisions(),
        history=_history(rng, final=0.9285),
        control_history=_history(rng, final=0.9231) if controls else None,
        export=ExportFacts(
            opset=20,
            ir_version=10,
            parity=Parity(
                samples=256,
                batches=(1, 2, 33),
                max_abs_diff=2.1e-5,
                top1_agreement=1.0,
                atol=1e-3,
                rtol=1e-3,
                passed=True,
            ),
        ),
        sizes=(
            SizeStep(stage="teacher", size_bytes=2_842_112, validation_accuracy=0.9546),
            SizeStep(stage="student float32", size_bytes=331_904, validation_accuracy=0.9285),
            SizeStep(stage="student int8", size_bytes=119_872, validation_accuracy=0.9277),
        ),
        measured=_measured(rng, controls=controls),
        qualities=_qualities(controls=controls),
        pairs=_pairs(controls=controls),
        verdicts=_verdicts(),
        notes=(
            "Accuracy is judged on the test split, read once, after every choice was made.",
            "Latency is of session.run alone: preprocessing is not in it.",
        ),
    )


def plain_report() -> Report:
    """The smallest report: trained on labels, no teacher, nothing timed, nothing judged."""
    return dataclasses.replace(
        sample_report(controls=False),
        name="teacher",
        decisions=(),
        control_history=None,
        export=None,
        sizes=(),
        measured=None,
        qualities=tuple(q for q in _qualities(controls=False) if q.subject == "student"),
        pairs=(),
        verdicts=(),
        notes=(),
    )


def _history(rng: random.Random, *, final: float) -> History:
    epochs = []
    for epoch in range(12):
        left = 0.86 ** (epoch * 1.9) * (1 - epoch / 11)
        epochs.append(
            Epoch(
                epoch=epoch,
                train_loss=round(
                    0.412 + (0.9285 - final) * 30 + 1.35 * left + rng.uniform(0, 0.03), 4
                ),
                validation_accuracy=round(final - 0.126 * left - rng.uniform(0, 0.004) * left, 4),
                validation_loss=round(1.142 - final + 0.33 * left + rng.uniform(0, 0.006), 4),
                learning_rate=round(0.15 * math.sin(math.pi * (epoch + 0.5) / 12), 5),
                seconds=round(9.4 + rng.uniform(0, 0.6), 2),
            )
        )
    return History(
        epochs=tuple(epochs),
        precision="bfloat16",
        processes=1,
        resumed_from_steps=(1290,),
        parameters=78_042,
        macs=4_912_000,
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


def _measured(rng: random.Random, *, controls: bool) -> Measured:
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


def _qualities(*, controls: bool) -> tuple[Quality, ...]:
    rows = [("teacher", 0.9510, 0.9466, 0.9551), ("student", 0.9260, 0.9207, 0.9310)]
    if controls:
        rows += [
            ("teacher int8", 0.9506, 0.9462, 0.9547),
            ("student on labels", 0.9214, 0.9160, 0.9265),
        ]
    return tuple(
        Quality(subject=s, samples=10_000, accuracy=a, accuracy_low=low, accuracy_high=high)
        for s, a, low, high in rows
    )


def _pairs(*, controls: bool) -> tuple[PairedQuality, ...]:
    classes = tuple(
        ClassChange(
            name=name,
            samples=1000,
            teacher_accuracy=right / 1000,
            student_accuracy=(right - lost + gained) / 1000,
            lost=lost,
            gained=gained,
        )
        for name, right, lost, gained in zip(CLASSES, _TEACHER_RIGHT, _LOST, _GAINED, strict=True)
    )
    student = PairedQuality(
        reference="teacher",
        candidate="student",
        samples=10_000,
        difference=-0.0250,
        difference_low_bound=-0.0279,
        difference_high_bound=-0.0222,
        lost=305,
        gained=55,
        mcnemar_p=1.4e-43,
        negative_flip_rate=0.0305,
        negative_flip_rate_upper=0.0335,
        agreement=0.9478,
        classes=classes,
    )
    if not controls:
        return (student,)
    return (
        student,
        dataclasses.replace(
            student,
            candidate="teacher int8",
            difference=-0.0004,
            difference_low_bound=-0.0013,
            difference_high_bound=0.0005,
            lost=17,
            gained=13,
            mcnemar_p=0.47,
            negative_flip_rate=0.0017,
            negative_flip_rate_upper=0.0027,
            agreement=0.9964,
            classes=(),
        ),
        dataclasses.replace(
            student,
            candidate="student on labels",
            difference=-0.0296,
            difference_low_bound=-0.0328,
            difference_high_bound=-0.0265,
            lost=361,
            gained=65,
            agreement=0.9401,
            classes=(),
        ),
    )


def _decisions() -> tuple[Decision, ...]:
    return (
        Decision(
            question="precision",
            chosen="bfloat16",
            reason="a trial of 20 steps was 1.41x faster than float32",
            evidence={
                "float32_ms_per_step": 61.8,
                "bfloat16_ms_per_step": 43.8,
                "steps": 20,
                "speedup": 1.41,
            },
        ),
        Decision(
            question="quantize",
            chosen="int8",
            reason="validation accuracy fell by 0.08 pp of 0.5 pp allowed, and it is 1.63x faster",
            evidence={
                "float32_validation_accuracy": 0.9285,
                "int8_validation_accuracy": 0.9277,
                "max_drop": "0.5pp",
                "speedup": 1.63,
                "speedup_interval": [1.59, 1.68],
                "verdict": "faster",
            },
            pinned=False,
        ),
    )


def _stages() -> tuple[StageRecord, ...]:
    rows = (
        ("task", True, "stored on 2026-11-24", 0.9, "data", 0),
        ("teacher outputs", True, "stored on 2026-11-24", 0.1, "teacher-outputs.npy", 8_800_000),
        ("train", False, "recipe.distill.epochs changed: 10 -> 12", 118.4, "student.st", 318_000),
        ("export", False, "input train changed", 6.2, "student-float32.onnx", 331_904),
        ("quantize", False, "input export changed", 11.7, "student.onnx", 119_872),
        ("measure", False, "input quantize changed", 74.5, "measured.json", 410_000),
        ("judge", False, "input measure changed", 4.8, "judged.json", 9_200),
    )
    return tuple(
        StageRecord(
            stage=stage,
            key=digest(stage),
            hit=hit,
            why=why,
            seconds=seconds,
            outputs={output: digest(output)},
            size_bytes={output: size} if size else {},
        )
        for stage, hit, why, seconds, output, size in rows
    )


def _verdicts() -> tuple[Verdict, ...]:
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
