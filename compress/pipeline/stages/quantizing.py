"""int8 files, and whether they are shipped: accuracy on validation and speed on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compare import quick_compare
from compress.pipeline.context import Context, versions_of
from compress.pipeline.decisions import DECISION_FILE, write_decision
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.exporting import EXPORT, EXPORT_ON_LABELS, FLOAT_FILE
from compress.pipeline.stages.held_out import left_out
from compress.pipeline.stages.mixing import MIX_FILE, calibration_part, mix_of, mix_stage, read_plan
from compress.pipeline.stages.predicting import validation_score
from compress.pipeline.stages.served import least_score, served_facts
from compress.pipeline.stages.storing import store_as
from compress.pipeline.stages.teacher import (
    TEACHER,
    TEACHER_FILE,
    VALIDATION_FILE,
    embeddings_needed,
    has_file,
)
from compress.pipeline.stages.timed import timed_inputs
from compress.quantize.choose import choose_quantization
from compress.quantize.words import stored_as
from compress.recipe.nodes import NoQuantize, QatQuantize, SchemeQuantize, StaticQuantize
from compress.store.keys import Json
from compress.tasks.counter import uniform
from compress.values import Decision
from exporters.artifact import open_artifact
from exporters.atomic import write_json

QUANTIZE = "quantize"
QUANTIZE_TEACHER = "quantize-teacher"
QUANTIZE_ON_LABELS = "quantize-on-labels"
CHOOSE = "choose-precision-to-ship"
INT8_FILE = "int8.onnx"
FACTS = "facts.json"
CALIBRATION_VIEW = 2**31 + 1  # numbers the draw of calibration samples, apart from split and views
CALIBRATION_BATCH = 32


def quantize_stages(context: Context) -> tuple[Stage, ...]:
    """Nothing under `none`; otherwise the int8 file, the choice, and the controls wanted."""
    node = context.recipe.quantize
    if isinstance(node, NoQuantize):
        return ()
    if isinstance(node, QatQuantize):
        from compress.pipeline.stages.rounding import rounding_stages  # which needs this file

        return rounding_stages(context, node)
    stages = [
        *_stages(context, node, QUANTIZE, EXPORT, FLOAT_FILE),
        choose_stage(context, node),
    ]
    controls = context.controls
    if controls.teacher_quantized and has_file(context):
        stages += _stages(context, node, QUANTIZE_TEACHER, TEACHER, TEACHER_FILE)
    if controls.labels_only:  # the student's twin gets the student's mix
        source, mix = EXPORT_ON_LABELS, mix_of(QUANTIZE) if node.kind == "auto" else None
        stages.append(
            quantize_stage(context, node, QUANTIZE_ON_LABELS, source, FLOAT_FILE, mix=mix)
        )
    return tuple(stages)


def _stages(
    context: Context,
    node: StaticQuantize | SchemeQuantize,
    name: str,
    source: str,
    source_file: str,
) -> tuple[Stage, ...]:
    """The quantized file; under `auto` after the choice of its mix."""
    if not isinstance(node, StaticQuantize) or node.kind != "auto":
        return (quantize_stage(context, node, name, source, source_file),)
    return (
        mix_stage(
            context,
            node,
            name,
            source,
            source_file,
            calibration=calibration_batches(context, node.samples),
        ),
        quantize_stage(context, node, name, source, source_file, mix=mix_of(name)),
    )


def calibration_batches(context: Context, count: int) -> CalibrationBatches:
    """Training samples without augmentation, drawn over all classes, one batch at a time; none
    that validation or test holds too."""
    return CalibrationBatches(context, count)


@dataclass(frozen=True, slots=True)
class CalibrationBatches:
    """Images as one array, texts by input name; can be iterated again and again."""

    context: Context
    count: int

    def __iter__(self) -> Iterator[Any]:
        """Batches of 32, in the order of the rows."""
        task, seed = self.context.task, self.context.recipe.seed
        train = task.train
        free = np.flatnonzero(~np.isin(train.ids, task.held_out_too))
        order = uniform(seed, CALIBRATION_VIEW, free, draws=1)[:, 0]
        rows = np.sort(free[np.argsort(order, kind="stable")[: self.count]])
        for start in range(0, len(rows), CALIBRATION_BATCH):
            inputs = train.inputs[rows[start : start + CALIBRATION_BATCH]]
            yield task.prepare(inputs) if task.padding is None else task.collate(inputs)


def quantize_stage(
    context: Context,
    node: StaticQuantize | SchemeQuantize,
    name: str,
    source: str,
    source_file: str,
    *,
    mix: str | None = None,
) -> Stage:
    """The quantized file of a stage's file, under a name of its own, and what both get right. mix:
    the stage that chose what is computed in int8; without one all that has a static form."""
    flags = tuple(context.machine.get("cpu_flags", "").split())
    device = context.recipe.bench.devices[0]
    scheme = node if isinstance(node, SchemeQuantize) else None
    judged_by = embeddings_needed(context)
    mixed = () if mix is None else (f"{mix}/{MIX_FILE}",)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            **({"kind": scheme.kind, "bits": scheme.bits} if scheme else {}),
            **calibration_part(node),
            "samples": node.samples,
            "data": context.task.fingerprint,
            **left_out(context.task),
            "seed": context.recipe.seed,
            "batches": list(context.recipe.bench.batch),
            "cpu_flags": list(flags),
            **({} if device == "cpu" else {"device": device}),
            "versions": versions_of("onnx", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        source_path = inputs.path(source, source_file)
        path = work / INT8_FILE
        original = open_artifact(source_path)
        samples = calibration_batches(context, node.samples)
        store_as(
            context,
            node,
            original,
            path=path,
            samples=samples,
            plan=None if mix is None else read_plan(inputs.path(mix, MIX_FILE)),
            on_event=on_event,
        )
        task, threads = context.task, context.threads
        given = inputs.path(TEACHER, VALIDATION_FILE) if judged_by else None
        known = validation_score(path, task, threads=threads, embeddings=given)
        served = served_facts(path, context, known=known, embeddings=given)
        facts = {
            "float32_accuracy": validation_score(
                source_path, task, threads=threads, embeddings=given
            ),
            "int8_accuracy": least_score(served),
            "samples": len(task.validation),
            **served,
        }
        write_json(work / FACTS, facts)
        return StageResult(files={INT8_FILE: path, FACTS: work / FACTS})

    return Stage(
        name=name,
        version=6,
        parts=parts,
        compute=compute,
        needs=(f"{source}/{source_file}", *mixed, *judged_by),
    )


def choose_stage(context: Context, node: StaticQuantize | SchemeQuantize | QatQuantize) -> Stage:
    """The decision which of the two files is shipped; qat is held to the same as auto."""
    pinned = context.recipe.decisions.get("quantize")

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        if pinned is not None:
            return {"pinned": pinned}
        return {
            "kind": node.kind,
            **({"stored": stored_as(node)} if stored_as(node) != "int8" else {}),
            "max_drop": node.model_dump(mode="json")["max_drop"],
            "device": context.recipe.bench.devices[0],
            "batch": list(context.recipe.bench.batch),
            "threads": list(context.recipe.bench.threads),
            "machine": dict(context.machine),
            "versions": versions_of("onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        if pinned is not None:
            decision = Decision(
                question="quantize", chosen=pinned, reason="written in the recipe", pinned=True
            )
        else:
            facts = inputs.json(QUANTIZE, FACTS)
            bench = context.recipe.bench
            samples = timed_inputs(context, CALIBRATION_BATCH)
            compared, *elsewhere = (
                quick_compare(
                    inputs.path(EXPORT, FLOAT_FILE),
                    inputs.path(QUANTIZE, INT8_FILE),
                    inputs=samples,
                    batch=batch,
                    threads=threads,
                    device=bench.devices[0],
                    cpu_nodes=bench.cpu_nodes,
                    seed=context.recipe.seed,
                    on_event=on_event,
                )
                for batch, threads in product(bench.batch, bench.threads)
            )
            decision = choose_quantization(
                kind="auto" if node.kind == "qat" else node.kind,
                float32_accuracy=facts["float32_accuracy"],
                int8_accuracy=facts["int8_accuracy"],
                samples=facts["samples"],
                max_drop=node.max_drop,
                comparison=compared,
                elsewhere=elsewhere,
                score="accuracy" if context.task.outputs == "classes" else "Spearman correlation",
                stored=stored_as(node),
            )
        return StageResult(files={DECISION_FILE: write_decision(work, decision)})

    needs = (f"{EXPORT}/{FLOAT_FILE}", f"{QUANTIZE}/{INT8_FILE}", f"{QUANTIZE}/{FACTS}")
    return Stage(name=CHOOSE, version=2, parts=parts, compute=compute, needs=needs)
