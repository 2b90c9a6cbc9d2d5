"""The judge: the only stage that reads the test split, once, for every subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from compress.metrics.accuracy import quality
from compress.metrics.paired import pair
from compress.pipeline.context import Context, versions_of
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.predicting import predict
from compress.pipeline.stages.shipping import SHIP, SUBJECT_FILES, subjects
from compress.store.keys import Json
from exporters.atomic import atomic_path, write_json

JUDGE = "judge"
QUALITY_FILE = "quality.json"
PREDICTIONS_FILE = "predictions.npz"


def judge_stage(context: Context) -> Stage:
    """Accuracy of each subject on test, and each against the first (the teacher, if there is one).

    int8 answers differ between CPUs, so the CPU's flags are in the key.
    """
    names = subjects(context)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        return {
            "data": context.task.fingerprint,
            "cpu_flags": context.machine.get("cpu_flags", ""),
            "versions": versions_of("onnxruntime"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        task = context.task
        test = task.test()
        predicted = {
            name: predict(
                inputs.path(SHIP, SUBJECT_FILES[name]), task, test, threads=context.threads
            )
            for name in names
        }
        first = names[0]
        pairs = [
            pair(first, name, predicted[first], predicted[name], test.labels, task.classes)
            for name in names[1:]
        ]
        qualities = [quality(name, predicted[name], test.labels) for name in names]
        counts = {
            "train": _counts(task.train.labels, len(task.classes)),
            "validation": _counts(task.validation.labels, len(task.classes)),
            "test": _counts(test.labels, len(task.classes)),
        }
        facts = {
            "qualities": [asdict(value) for value in qualities],
            "pairs": [asdict(value) for value in pairs],
            "class_counts": counts,
        }
        write_json(work / QUALITY_FILE, facts)
        with atomic_path(work / PREDICTIONS_FILE) as temporary, temporary.open("wb") as stream:
            arrays: dict[str, Any] = {name.replace(" ", "_"): predicted[name] for name in names}
            np.savez_compressed(stream, ids=test.ids, labels=test.labels, **arrays)
        return StageResult(
            files={
                QUALITY_FILE: work / QUALITY_FILE,
                PREDICTIONS_FILE: work / PREDICTIONS_FILE,
            }
        )

    return Stage(name=JUDGE, version=1, parts=parts, compute=compute, needs=(SHIP,))


def _counts(labels: np.ndarray[tuple[int], np.dtype[np.int64]], classes: int) -> list[int]:
    return [int(count) for count in np.bincount(labels, minlength=classes)]
