"""Latency, memory, cold start and size of every subject, in one interleaved run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import measure
from benchmarks.question import Question
from benchmarks.settings import BenchSettings, PairLimit
from benchmarks.stats import LOOKS
from benchmarks.values import Measured
from compress.gate.judge import timed_budgets
from compress.gate.latency_rules import time_limit
from compress.gate.lookup import STUDENT, TEACHER, setting_of
from compress.pipeline.context import Context, versions_of
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.shipping import SHIP, subject_file, subjects
from compress.pipeline.stages.timed import shipped_inputs
from compress.recipe.catalogue import METRICS, budget_limit
from compress.recipe.nodes import Recipe
from compress.store.keys import Json
from exporters.atomic import write_json

MEASURE = "measure"
MEASURED_FILE = "measured.json"
SAMPLES = 64


def measure_stage(context: Context) -> Stage:
    """Timed on validation samples; the machine is in the key, and so are limits on time, which
    decide how many epochs are run."""
    bench = context.recipe.bench
    names = subjects(context)
    asked = bench_settings(context.recipe, names)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "bench": bench.model_dump(mode="json"),
            "seed": context.recipe.seed,
            "machine": dict(context.machine),
            "versions": versions_of("onnxruntime", "numpy"),
            **_limits_in_key(asked),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        files = {name: inputs.path(SHIP, subject_file(name)) for name in names}
        measured = measure_files(context, files, on_event)
        write_json(work / MEASURED_FILE, asdict(measured))
        return StageResult(files={MEASURED_FILE: work / MEASURED_FILE})

    return Stage(name=MEASURE, version=1, parts=parts, compute=compute, needs=(SHIP,))


def measure_files(context: Context, files: Mapping[str, Path], on_event: OnEvent) -> Measured:
    """Subject -> file, measured as the recipe's `bench` says, on validation samples."""
    return measure(
        files,
        inputs=shipped_inputs(context, SAMPLES),
        settings=bench_settings(context.recipe, tuple(files)),
        seed=context.recipe.seed,
        on_event=on_event,
    )


def bench_settings(recipe: Recipe, subjects: Collection[str]) -> BenchSettings:
    """Every cell takes bench.epochs. Where a budget limits the student's time against the
    teacher's, the two go on until the limit is met or violated, or to the last look of the test."""
    bench = recipe.bench
    together = {TEACHER, STUDENT} <= set(subjects)
    limits = tuple(
        PairLimit(
            candidate=STUDENT,
            setting=setting_of(budget),
            ratio=time_limit(budget_limit(budget)),
        )
        for budget in recipe.budgets
        if together
        and METRICS[budget.metric].timed
        and budget.level != "off"
        and budget.vs == TEACHER
    )
    return BenchSettings(
        devices=bench.devices,
        batch=bench.batch,
        threads=bench.threads,
        epochs=bench.epochs,
        most_epochs=max(LOOKS[-1], bench.epochs) if limits else None,
        question=Question(tests=timed_budgets(recipe.budgets) if limits else 1),
        limits=limits,
        cpu_nodes=bench.cpu_nodes,
    )


def _limits_in_key(settings: BenchSettings) -> Mapping[str, Json]:
    """Nothing without limits: then keys are what they were before limits were asked."""
    if not settings.limits:
        return {}
    limits = sorted((asdict(limit) for limit in settings.limits), key=repr)
    return {"limits": limits, "tests": settings.question.tests}
