"""The judge: the only stage that reads the test split, once, for every subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.metrics.compared import compare_answers
from compress.metrics.scores import Answers, answers
from compress.pipeline.context import Context, versions_of
from compress.pipeline.scenarios import all_slices, check_slices
from compress.pipeline.stage import Inputs, OnEvent, Stage, StageResult
from compress.pipeline.stages.embedding import judge_embeddings
from compress.pipeline.stages.exporting import EXPORT, FLOAT_FILE
from compress.pipeline.stages.predicting import scores
from compress.pipeline.stages.shipping import SHIP, subject_file, subjects
from compress.recipe.nodes import NoQuantize
from compress.store.keys import Json
from compress.tasks.data import Samples
from compress.values import Added, PairedQuality, Slice
from exporters.artifact import open_artifact
from exporters.atomic import atomic_path, write_json
from exporters.events import Event

JUDGE = "judge"
QUALITY_FILE = "quality.json"
PREDICTIONS_FILE = "predictions.npz"
FLOAT_STUDENT = "student float32"
_TEACHER, _STUDENT, _ON_LABELS = "teacher", "student", "student on labels"


def judge_stage(context: Context) -> Stage:
    """Each subject on test, each against the first (the teacher, if there is one), and slices.

    int8 answers differ between CPUs, so the CPU's flags are in the key.
    """
    if context.recipe.slices != "none" and context.task.outputs == "classes":
        check_slices(context.task, context.recipe.slices)
    quantized = not isinstance(context.recipe.quantize, NoQuantize)

    def parts(inputs: Inputs) -> Mapping[str, Json]:
        node = context.recipe.slices
        return {
            "data": context.task.fingerprint,
            "cpu_flags": context.machine.get("cpu_flags", ""),
            **({} if context.recipe.bench.devices[0] == "cpu" else {"quantized_for": "gpu"}),
            "slices": node if isinstance(node, str) else node.model_dump(mode="json"),
            "seed": context.recipe.seed,
            "versions": versions_of("onnxruntime", "numpy"),
        }

    def compute(inputs: Inputs, work: Path, on_event: OnEvent) -> StageResult:
        files = {name: inputs.path(SHIP, subject_file(name)) for name in subjects(context)}
        shipped = open_artifact(files[_STUDENT])
        if quantized and shipped.precision != "float32":
            files[FLOAT_STUDENT] = inputs.path(EXPORT, FLOAT_FILE)
        if context.task.outputs == "embeddings":
            facts, arrays = judge_embeddings(context, files, JUDGE, on_event)
            judged = Judged(facts=facts, arrays=arrays)
        else:
            judged = judge_files(context, files, subjects(context), on_event)
        write_json(work / QUALITY_FILE, judged.facts)
        with atomic_path(work / PREDICTIONS_FILE) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **judged.arrays)
        return StageResult(
            files={
                QUALITY_FILE: work / QUALITY_FILE,
                PREDICTIONS_FILE: work / PREDICTIONS_FILE,
            }
        )

    needs = (SHIP, f"{EXPORT}/{FLOAT_FILE}") if quantized else (SHIP,)
    return Stage(name=JUDGE, version=7, parts=parts, compute=compute, needs=needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """facts: qualities, pairs, slices, added, class_counts, and failed: why a row has none of
    these, by its name; arrays: ids, labels and classes."""

    facts: dict[str, Any]
    arrays: dict[str, Any]


def judge_files(
    context: Context, files: Mapping[str, Path], names: Sequence[str], on_event: OnEvent
) -> Judged:
    """Every file on the test split. names: the rows of the report, the reference first; what else
    there is among `files` says what a step added.

    Raises InputError where the reference or the student answers NaN; another that does has failed.
    """
    task, recipe = context.task, context.recipe
    test = task.test()

    def answer(name: str, samples: Samples) -> NDArray[np.float32]:
        return scores(files[name], task, samples, threads=context.threads)

    given: dict[str, Answers] = {}
    failed: dict[str, str] = {}
    for name in files:
        found = answer(name, test)
        try:
            given[name] = answers(name, found, test.labels)
        except InputError as error:
            if name in (names[0], _STUDENT):
                raise
            failed[name] = error.what
    names = [name for name in names if name in given]
    on_event(Event("progress", JUDGE, "drawing resamples"))
    compared = compare_answers(
        tuple(given.values()), test.labels, task.classes, groups=test.groups, seed=recipe.seed
    )
    pairs = {
        (before, after): compared.pair(before, after)
        for before, after in [*((names[0], name) for name in names[1:]), *_steps(given)]
    }
    slices: tuple[Slice, ...] = ()
    if names[0] == _TEACHER and recipe.slices != "none":
        on_event(Event("progress", JUDGE, "slices"))
        slices = all_slices(
            task,
            test,
            given[_TEACHER],
            given[_STUDENT],
            node=recipe.slices,
            seed=recipe.seed,
            scores=answer,
        )
    counts = {
        "train": _counts(task.train.labels, len(task.classes)),
        "validation": _counts(task.validation.labels, len(task.classes)),
        "test": _counts(test.labels, len(task.classes)),
    }
    facts = {
        "qualities": [asdict(compared.quality(name)) for name in names],
        "pairs": [asdict(pairs[names[0], name]) for name in names[1:]],
        "slices": [asdict(one) for one in slices],
        "added": [asdict(_added(step, pairs[key])) for key, step in _steps(given).items()],
        "class_counts": counts,
        "failed": failed,
    }
    arrays = {name.replace(" ", "_"): given[name].classes for name in names}
    return Judged(facts=facts, arrays={"ids": test.ids, "labels": test.labels, **arrays})


def failed_notes(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader is told of the rows without answers. facts: as judged."""
    failed: Mapping[str, str] = facts.get("failed", {})
    return tuple(
        f"The {name} failed: it {what}. Its row says nothing of answers."
        for name, what in failed.items()
    )


def _steps(given: Mapping[str, Answers]) -> dict[tuple[str, str], str]:
    """Which pairs say what a step added, where both are there."""
    steps = {
        (_ON_LABELS, _STUDENT): "distillation",
        (FLOAT_STUDENT, _STUDENT): "quantization of the student",
    }
    steps |= {
        (_TEACHER, name): "quantization of the teacher"
        for name in given
        if name.startswith(f"{_TEACHER} ")
    }
    return {key: step for key, step in steps.items() if all(name in given for name in key)}


def _added(step: str, found: PairedQuality) -> Added:
    return Added(
        step=step,
        reference=found.reference,
        candidate=found.candidate,
        samples=found.samples,
        difference=found.difference,
        difference_low_bound=found.difference_low_bound,
        difference_high_bound=found.difference_high_bound,
        lost=found.lost,
        gained=found.gained,
    )


def _counts(labels: NDArray[np.int64], classes: int) -> list[int]:
    return [int(count) for count in np.bincount(labels[labels >= 0], minlength=classes)]
