"""`student: {kind: auto}`: hold the search first, then go on with what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from compress.pipeline.context import Context
from compress.pipeline.stage import Finished, OnEvent, Stage
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.judging import JUDGE
from compress.pipeline.stages.ledger import LEDGER
from compress.pipeline.stages.losses import with_raced_loss
from compress.pipeline.stages.measuring import MEASURE
from compress.pipeline.stages.quantizing import QUANTIZE_TEACHER
from compress.pipeline.stages.schemes import scheme_node
from compress.pipeline.stages.search import SEARCH, SEARCH_FILE, search_stage
from compress.pipeline.stages.shipping import SHIP
from compress.pipeline.study import STUDY_FILE
from compress.recipe.nodes import AutoStudent, Recipe, StudentNode
from compress.report.codec import from_json
from compress.trials import SearchFacts

# What a run does after its search.
_AFTER = {MEASURE: "measuring", JUDGE: "judging", LEDGER: "judging", SHIP: "judging"}
FOUND_FILE = "found.yaml"
_CONTROLS = ("on-labels", QUANTIZE_TEACHER)


def search_stages(context: Context, *, runner: StageRunner) -> tuple[Stage, ...]:
    """The stage that comes before a run whose student is to be found; none with another student."""
    if not isinstance(context.recipe.student, AutoStudent):
        return ()
    return (search_stage(context, runner=runner),)


def hold_search(context: Context, *, runner: StageRunner, on_event: OnEvent) -> dict[str, Finished]:
    """The finished stages of the search; empty where the recipe names a student."""
    return runner.run(search_stages(context, runner=runner), on_event=on_event)


def with_student(context: Context, finished: Mapping[str, Finished]) -> Context:
    """The context with the student, the scheme, the epochs and the loss that the search chose."""
    if SEARCH not in finished:
        return context
    found = finished[SEARCH].json(SEARCH_FILE)
    if "loss" in found:
        context = with_raced_loss(context, found)
    node = context.recipe.distill.model_copy(update={"epochs": found["epochs"]})
    changes = {
        "student": _student(found),
        "distill": node,
        "quantize": scheme_node(context, found["scheme"]),
    }
    return replace(context, recipe=context.recipe.model_copy(update=changes))


def _student(found: Mapping[str, Any]) -> StudentNode:
    made: StudentNode = TypeAdapter(StudentNode).validate_python(found["student"])
    return made


def searched(finished: Mapping[str, Finished]) -> SearchFacts | None:
    """What the report says of the search, the time of the stages that came after it included."""
    if SEARCH not in finished:
        return None
    done = finished[SEARCH]
    facts = from_json(SearchFacts, done.json(SEARCH_FILE)["facts"])
    spent = dict(facts.spent_s)
    for name, one in finished.items():
        part = "controls" if any(own in name for own in _CONTROLS) else _AFTER.get(name)
        if part is not None:  # all others are in the account of the search already
            spent[part] = round(spent.get(part, 0.0) + one.entry.seconds, 2)
    return replace(facts, spent_s=spent)


def study_file(finished: Mapping[str, Finished]) -> dict[str, Path]:
    """The study as a file of the run; nothing where it lies in a database of its own."""
    files = finished[SEARCH].files if SEARCH in finished else {}
    return {STUDY_FILE: files[STUDY_FILE]} if STUDY_FILE in files else {}


def found_file(finished: Mapping[str, Finished], recipe: Recipe) -> dict[str, bytes]:
    """What was found, as a recipe says it. recipe: the one that was run with it."""
    if SEARCH not in finished:
        return {}
    # Of a part of the teacher the recipe has a plan and weights by now; what made it was found.
    found = finished[SEARCH].json(SEARCH_FILE)
    raced = [name for name in ("loss", "mixup") if found.get(name) is not None]
    return {FOUND_FILE: found_text(recipe, _student(found), also=raced).encode()}


def found_text(recipe: Recipe, student: StudentNode, *, also: Sequence[str] = ()) -> str:
    """YAML with these three, which run the student again without a search. also: settings of
    `distill` that were found."""
    distill = recipe.distill.model_dump(mode="json", exclude_none=True, include={"epochs", *also})
    said = {
        "student": student.model_dump(mode="json", exclude_none=True),
        "quantize": recipe.quantize.model_dump(mode="json", exclude_none=True),
        "distill": distill,
    }
    settings = ", ".join(f"`distill.{name}`" for name in distill)
    head = (
        "# Found by a search. In a recipe, in place of its `student`, `quantize`, `search` and\n"
        f"# {settings}, these train and ship the same student without one.\n"
    )
    return head + yaml.safe_dump(said, sort_keys=False, default_flow_style=None, width=100)
