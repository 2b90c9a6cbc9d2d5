"""A rich report as a real run would give it: for the tests of every room that reads reports."""

from __future__ import annotations

import dataclasses
import math
import random

from benchmarks.values import Setting
from compress.values import (
    REPORT_VERSION,
    BudgetLine,
    Decision,
    Epoch,
    ExportFacts,
    History,
    Report,
    SizeStep,
    StageRecord,
)
from exporters.values import Parity
from tests.compress.report.sample_measured import digest, sample_measured
from tests.compress.report.sample_quality import CLASSES, sample_pairs, sample_qualities
from tests.compress.report.sample_scenarios import (
    SLICE_DROP,
    sample_added,
    sample_ledger,
    sample_node_costs,
    sample_slices,
)
from tests.compress.report.sample_verdicts import sample_verdicts

ONE = Setting(device="cpu", threads=1, batch=1)

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
        measured=sample_measured(rng, controls=controls),
        qualities=sample_qualities(controls=controls),
        pairs=sample_pairs(controls=controls),
        verdicts=sample_verdicts(),
        notes=(
            "Accuracy is judged on the test split, read once, after every choice was made.",
            "Latency is of session.run alone: preprocessing is not in it.",
        ),
        budget_lines=(
            BudgetLine(budget="accuracy", metric="accuracy", value=0.9163, setting=None),
            BudgetLine(budget="speed", metric="latency.p50", value=2.51e-3 / 8, setting=ONE),
            BudgetLine(budget="size", metric="file_bytes", value=307_200.0, setting=None),
        ),
        slices=sample_slices(),
        slice_drop=SLICE_DROP,
        ledger=sample_ledger(),
        added=sample_added() if controls else (),
        node_costs=sample_node_costs(),
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
        qualities=tuple(q for q in sample_qualities(controls=False) if q.subject == "student"),
        pairs=(),
        verdicts=(),
        notes=(),
        budget_lines=(),
        slices=(),
        slice_drop=None,
        ledger=(),
        added=(),
        node_costs=(),
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


def _decisions() -> tuple[Decision, ...]:
    return (
        Decision(
            question="precision",
            chosen="bfloat16",
            reason="a training step in bfloat16 is 1.41x faster than in float32 here",
            evidence={
                "float32_step_s": 0.0618,
                "bfloat16_step_s": 0.0438,
            },
        ),
        Decision(
            question="quantize",
            chosen="int8",
            reason="int8 is 1.63x faster (1.59x to 1.68x), and it loses 0.08 pp of accuracy on "
            "5,000 validation samples (the limit is 0.50 pp)",
            evidence={
                "kind": "auto",
                "float32_accuracy": 0.9285,
                "int8_accuracy": 0.9277,
                "samples": 5000,
                "max_drop": 0.005,
                "speedup": 1.63,
                "speedup_low": 1.59,
                "speedup_high": 1.68,
                "verdict": "faster",
                "batch": 1,
                "threads": 1,
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
