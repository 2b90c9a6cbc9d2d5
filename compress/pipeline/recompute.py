"""Stored teacher outputs, checked against what the teacher answers now: 64 rows of each view.

Hashes find what the disk has changed; this finds what hashes can't, as outputs that an earlier
version of the program stored for other inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compress.errors import InputError
from compress.pipeline.context import Context
from compress.pipeline.run import prepare
from compress.pipeline.stage import Stage, inputs_of, key_of
from compress.pipeline.stages.teacher import (
    OUTPUTS,
    OUTPUTS_FILE,
    TEACHER,
    TEACHER_FILE,
    answering_teacher,
    mixup_alpha,
    output_form,
    teacher_stages,
)
from compress.recipe.load import LoadedRecipe
from compress.store.cache import remove_result
from compress.store.index import Entry
from compress.store.store import Store, open_store
from compress.teachers.outputs import VERIFIED_ROWS, differing_rows
from compress.teachers.stored import open_outputs
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
        views, removed = 0, []
        for stage in teacher_stages(context):
            entry = _stored(stage, entries, store)
            if entry is None:
                if stage.name == TEACHER:
                    break
                continue
            entries[stage.name] = entry
            if stage.name.startswith(OUTPUTS):
                views += 1
                line = _differs(context, stage.name, entries, store)
                if line is not None and remove_result(store.index, entry):
                    removed.append(line)
    rows = min(VERIFIED_ROWS, len(context.task.train))
    return Recomputed(views=views, rows=rows, removed=tuple(removed))


def _stored(stage: Stage, entries: dict[str, Entry], store: Store) -> Entry | None:
    return store.index.get(key_of(stage, inputs_of(stage, entries, store)))


def _differs(context: Context, name: str, entries: dict[str, Entry], store: Store) -> str | None:
    node, task = context.recipe.teacher, context.task
    assert node is not None
    files = store.paths(entries[TEACHER])
    teacher = answering_teacher(context, node, files.get(TEACHER_FILE))
    stored = open_outputs(
        store.paths(entries[name])[OUTPUTS_FILE],
        samples=len(task.train),
        classes=task.width,
    )
    ids = differing_rows(
        stored,
        teacher,
        task,
        seed=context.recipe.seed,
        view=int(name.rpartition("-")[2]),
        alpha=mixup_alpha(context),
        form=output_form(context),
    )
    if not len(ids):
        return None
    shown = ", ".join(str(number) for number in ids[:_SHOWN])
    more = ", ..." if len(ids) > _SHOWN else ""
    return f"{name}: {len(ids)} rows are not what the teacher answers (ids {shown}{more})"
