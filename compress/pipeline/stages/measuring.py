"""Latency, memory, cold start and size of every subject, in one interleaved run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import measure
from benchmarks.settings import BenchSettings
from benchmarks.values import Measured
from compress.pipeline.context import Context, versions_of
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.shipping import SHIP, subject_file, subjects
from compress.pipeline.stages.timed import shipped_inputs
from compress.store.keys import Json
from exporters.atomic import write_json

MEASURE = "measure"
MEASURED_FILE = "measured.json"
SAMPLES = 64


def measure_stage(context: Context) -> Stage:
    """Timed on validation samples; the machine is in the key."""
    bench = context.recipe.bench
    names = subjects(context)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "bench": bench.model_dump(mode="json"),
            "seed": context.recipe.seed,
            "machine": dict(context.machine),
            "versions": versions_of("onnxruntime", "numpy"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        files = {name: inputs.path(SHIP, subject_file(name)) for name in names}
        measured = measure_files(context, files, on_event)
        write_json(work / MEASURED_FILE, asdict(measured))
        return StageResult(files={MEASURED_FILE: work / MEASURED_FILE})

    return Stage(name=MEASURE, version=1, parts=parts, compute=compute, needs=(SHIP,))


def measure_files(context: Context, files: Mapping[str, Path], on_event: OnEvent) -> Measured:
    """Subject -> file, measured as the recipe's `bench` says, on validation samples."""
    bench = context.recipe.bench
    return measure(
        files,
        inputs=shipped_inputs(context, SAMPLES),
        settings=BenchSettings(
            devices=bench.devices,
            batch=bench.batch,
            threads=bench.threads,
            epochs=bench.epochs,
            cpu_nodes=bench.cpu_nodes,
        ),
        seed=context.recipe.seed,
        on_event=on_event,
    )
