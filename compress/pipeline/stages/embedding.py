"""Judging embeddings on test: how each subject keeps the teacher's similarities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.metrics.fidelity import MOST, fidelity, spread_rows
from compress.pipeline.context import Context
from compress.pipeline.stage import OnEvent
from compress.pipeline.stages.answering import answering_teacher
from compress.pipeline.stages.predicting import scores, some
from compress.tasks.data import Samples
from compress.teachers.outputs import plain_outputs
from exporters.events import Event

_TEACHER, _STUDENT = "teacher", "student"


def judge_embeddings(
    context: Context, files: Mapping[str, Path], stage: str, on_event: OnEvent
) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    """Facts for the report, and what is kept of at most 2,000 evenly spread test samples: ids and
    each subject's embeddings. Stored outputs that lack test samples leave the student unjudged."""
    whole = context.task.test()
    test = some(whole, spread_rows(len(whole), MOST))
    given = {
        name: scores(path, context.task, test, threads=context.threads)
        for name, path in files.items()
    }
    reference = given.get(_TEACHER)
    if reference is None:
        reference = _black_box(context, test)
    found, failed = [], {}
    for name, embeddings in given.items():
        if name == _TEACHER or reference is None:
            continue
        on_event(Event("progress", stage, f"comparing similarities of {name}"))
        if name != _STUDENT and not np.isfinite(embeddings).all():  # a control
            failed[name] = "answers NaN or infinity"
            continue
        found.append(asdict(fidelity(_TEACHER, name, reference, embeddings, groups=test.groups)))
    facts: dict[str, Any] = {
        "qualities": [],
        "pairs": [],
        "slices": [],
        "added": [],
        "class_counts": {},
        "fidelities": found,
        "failed": failed,
    }
    arrays: dict[str, NDArray[np.generic]] = {
        name.replace(" ", "_"): embeddings for name, embeddings in given.items()
    }
    if reference is not None:
        arrays[_TEACHER] = reference
    return facts, {"ids": test.ids, **arrays}


def _black_box(context: Context, test: Samples) -> NDArray[np.float32] | None:
    """What a teacher without a model file gives; None where there is none, or it stored others."""
    node = context.recipe.teacher
    if node is None:
        return None
    teacher = answering_teacher(context, node, None)
    try:
        return plain_outputs(teacher, context.task, test)
    except InputError:
        if teacher.by_id is None:
            raise
        return None
