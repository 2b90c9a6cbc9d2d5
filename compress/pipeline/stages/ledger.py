"""Where accuracy went on the way from teacher to shipped file, on validation: never on test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from compress.pipeline.context import Context, versions_of
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.costs import cost_notes, costs_need, costs_of
from compress.pipeline.stages.exporting import EXPORT, FLOAT_FILE
from compress.pipeline.stages.predicting import predict
from compress.pipeline.stages.quantizing import INT8_FILE, QUANTIZE
from compress.pipeline.stages.teacher import TEACHER, TEACHER_FILE, has_file
from compress.pipeline.stages.training import TRAIN
from compress.recipe.nodes import NoQuantize
from compress.store.keys import Json
from compress.students.build import build_student, student_code
from compress.tasks.batches import row_batches
from compress.tasks.views import as_inputs
from compress.values import LedgerStep
from exporters.atomic import write_json
from exporters.weights import load_into, load_weights

LEDGER = "ledger"
LEDGER_FILE = "ledger.json"
WEIGHTS = "weights.safetensors"
_BATCH = 250


def ledger_stage(context: Context) -> Stage:
    """Answers of each file on the way on the same validation samples, each against the one
    before."""
    recipe, device = context.recipe, context.recipe.bench.devices[0]
    stops = tuple(_stops(context))

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "data": context.task.fingerprint,
            "student": recipe.student.model_dump(mode="json"),
            "code": student_code(recipe.student, folder=context.folder),
            "quantize": recipe.quantize.model_dump(mode="json"),
            "seed": recipe.seed,
            "cpu_flags": context.machine.get("cpu_flags", ""),
            **({} if device == "cpu" else {"device": device}),
            "versions": versions_of("torch", "onnx", "onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        validation = context.task.validation
        steps: list[LedgerStep] = []
        before: NDArray[np.bool_] | None = None
        for stop, stage, name in stops:
            path = inputs.path(stage, name)
            if stage == TRAIN:
                answered = _torch_answers(context, path)
            else:
                answered = predict(path, context.task, validation, threads=context.threads)
            right = answered == validation.labels
            steps.append(ledger_step(stop, right, before))
            before = right
        found = costs_of(context, inputs, on_event)
        facts = {
            "ledger": [asdict(step) for step in steps],
            "node_costs": [] if found is None else [asdict(cost) for cost in found.costs],
            "notes": [] if found is None else list(cost_notes(found)),
        }
        write_json(work / LEDGER_FILE, facts)
        return StageResult(files={LEDGER_FILE: work / LEDGER_FILE})

    answered = (f"{stage}/{name}" for _, stage, name in stops)
    needs = tuple(dict.fromkeys((*answered, *costs_need(context))))
    return Stage(name=LEDGER, version=3, parts=parts, compute=compute, needs=needs)


def ledger_step(
    stop: str, right: NDArray[np.bool_], before: NDArray[np.bool_] | None
) -> LedgerStep:
    """One stop. right, before: (n,) which answers are right here, and at the stop before."""
    flips = None if before is None else (before & ~right, right & ~before)
    return LedgerStep(
        stop=stop,
        samples=len(right),
        accuracy=float(np.count_nonzero(right) / len(right)),
        lost=None if flips is None else int(np.count_nonzero(flips[0])),
        gained=None if flips is None else int(np.count_nonzero(flips[1])),
    )


def _stops(context: Context) -> list[tuple[str, str, str]]:
    """Name, stage and file of each; none for embeddings, which are neither right nor wrong."""
    stops: list[tuple[str, str, str]] = []
    if context.task.outputs == "embeddings":
        return stops
    if has_file(context):
        stops.append(("teacher", TEACHER, TEACHER_FILE))
    stops.append(("student, as trained", TRAIN, WEIGHTS))
    stops.append(("student, exported", EXPORT, FLOAT_FILE))
    if not isinstance(context.recipe.quantize, NoQuantize):
        stops.append(("student, quantized", QUANTIZE, INT8_FILE))
    return stops


def _torch_answers(context: Context, weights: Path) -> NDArray[np.int64]:
    """Classes that the torch student gives the validation samples."""
    task, recipe = context.task, context.recipe
    module = build_student(
        recipe.student, folder=context.folder, seed=recipe.seed, task=context.task
    )
    load_into(module, load_weights(weights))
    module.eval()
    found = np.empty(len(task.validation), dtype=np.int64)
    with torch.no_grad():
        for rows in row_batches(task, task.validation, _BATCH):
            answered = module(*as_inputs(task, task.validation.inputs[rows]))
            found[rows] = answered.argmax(dim=1).numpy()
    return found
