"""Stored teacher outputs, checked against what the teacher answers now: 64 rows of each view.

Hashes find what the disk has changed; this finds what hashes can't, as outputs that an earlier
version of the program stored for other inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.errors import InputError
from compress.pipeline.context import Context
from compress.pipeline.run import prepare
from compress.pipeline.stage import Stage, inputs_of, key_of, needed
from compress.pipeline.stages.answering import answering_teacher
from compress.pipeline.stages.several import member_views
from compress.pipeline.stages.teacher import (
    OUTPUTS_FILE,
    TEACHER_FILE,
    StoredView,
    mixup_alpha,
    output_form,
    stored_views,
    teacher_stages,
)
from compress.recipe.load import LoadedRecipe
from compress.recipe.nodes import SeveralTeacher
from compress.store.cache import remove_result
from compress.store.index import Entry
from compress.store.store import Store, open_store
from compress.teachers.build import weights_of
from compress.teachers.outputs import VERIFIED_ROWS, differing_rows, view_answers
from compress.teachers.several import mean_of
from compress.teachers.stored import StoredOutputs, open_outputs
from exporters.events import Event

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """views: how many were looked at, rows of each; removed: one line for each that differs."""

    views: int
    rows: int
    removed: tuple[str, ...]


def recompute_outputs(
    loaded: LoadedRecipe,
    *,
    cache: Path,
    data_folder: Path | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Recomputed:
    """Ask the teacher of a recipe again for 64 random rows of each of its stored views.

    A view that differs is removed, so that the next run computes it. Raises InputError for a
    recipe without a teacher, and as `prepare` does.
    """
    if loaded.recipe.teacher is None:
        raise InputError("the recipe has no teacher", where="teacher", cure="name another recipe")
    with open_store(cache) as store:
        context = prepare(loaded, cache=store.root, data_folder=data_folder, on_event=on_event)
        entries: dict[str, Entry] = {}
        stored = {view.stage: view for view in stored_views(context)}
        views, removed = 0, []
        for stage in teacher_stages(context):
            entry = _stored(stage, entries, store)
            if entry is None:
                continue
            entries[stage.name] = entry
            if stage.name in stored:
                views += 1
                line = _differs(context, stored[stage.name], entries, store)
                if line is not None and remove_result(store.index, entry):
                    removed.append(line)
    rows = min(VERIFIED_ROWS, len(context.task.train))
    return Recomputed(views=views, rows=rows, removed=tuple(removed))


def _stored(stage: Stage, entries: dict[str, Entry], store: Store) -> Entry | None:
    """None also where something that it needs, and so its key, is not there."""
    if any(name not in entries for name in needed(stage)):
        return None
    return store.index.get(key_of(stage, inputs_of(stage, entries, store)))


def _differs(
    context: Context, view: StoredView, entries: dict[str, Entry], store: Store
) -> str | None:
    answer = _answer(context, view, entries, store)
    stored = _opened(context, entries[view.stage], store)
    ids = differing_rows(stored, answer, context.task, form=output_form(context))
    if not len(ids):
        return None
    shown = ", ".join(str(number) for number in ids[:_SHOWN])
    more = ", ..." if len(ids) > _SHOWN else ""
    return f"{view.stage}: {len(ids)} rows are not what the teacher answers (ids {shown}{more})"


def _answer(
    context: Context, view: StoredView, entries: dict[str, Entry], store: Store
) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
    """What a view must hold of some rows."""
    node, task = view.node, context.task
    if isinstance(node, SeveralTeacher):
        # Of what each has stored, each checked by itself: the mean of short forms is not the short
        # form of the mean.
        each = [_opened(context, entries[name], store) for name in member_views(node, view.view)]
        return lambda rows: mean_of([one[rows] for one in each], weights_of(node))
    file = store.paths(entries[view.teacher]).get(TEACHER_FILE)
    teacher = answering_teacher(context, node, file, device=context.recipe.distill.device)
    return partial(
        view_answers,
        teacher,
        task,
        seed=context.recipe.seed,
        view=view.view,
        alpha=mixup_alpha(context),
    )


def _opened(context: Context, entry: Entry, store: Store) -> StoredOutputs:
    task = context.task
    path = store.paths(entry)[OUTPUTS_FILE]
    return open_outputs(path, samples=len(task.train), classes=task.width)
