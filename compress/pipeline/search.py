"""`student: {kind: auto}`: hold the search first, then go on with what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import TypeAdapter

from compress.pipeline.context import Context
from compress.pipeline.graph import run_stages
from compress.pipeline.stage import Finished, OnEvent, Stage
from compress.pipeline.stages.screening import scheme_node
from compress.pipeline.stages.search import SEARCH, SEARCH_FILE, search_stage
from compress.recipe.nodes import AutoStudent, StudentNode
from compress.report.codec import from_json
from compress.store.store import Store
from compress.trials import SearchFacts


def search_stages(context: Context, *, store: Store) -> tuple[Stage, ...]:
    """The stage that comes before a run whose student is to be found; none with another student."""
    if not isinstance(context.recipe.student, AutoStudent):
        return ()
    return (search_stage(context, store=store),)


def hold_search(
    context: Context, *, store: Store, fresh: bool, on_event: OnEvent
) -> dict[str, Finished]:
    """The finished stages of the search; empty where the recipe names a student."""
    stages = search_stages(context, store=store)
    return run_stages(stages, store=store, fresh=fresh, on_event=on_event) if stages else {}


def with_student(context: Context, finished: Mapping[str, Finished]) -> Context:
    """The context with the student, the scheme and the epochs that the search chose."""
    if SEARCH not in finished:
        return context
    found = finished[SEARCH].json(SEARCH_FILE)
    student: StudentNode = TypeAdapter(StudentNode).validate_python(found["student"])
    node = context.recipe.distill.model_copy(update={"epochs": found["epochs"]})
    changes = {
        "student": student,
        "distill": node,
        "quantize": scheme_node(context, found["scheme"]),
    }
    return replace(context, recipe=context.recipe.model_copy(update=changes))


def searched(finished: Mapping[str, Finished]) -> SearchFacts | None:
    """What the report says of the search."""
    if SEARCH not in finished:
        return None
    return from_json(SearchFacts, finished[SEARCH].json(SEARCH_FILE)["facts"])
