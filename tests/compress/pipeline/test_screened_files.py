"""What a search times of a candidate is the file that would be shipped, under a key of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compress.pipeline.context import Context
from compress.pipeline.run import prepare
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.schemes import planned
from compress.pipeline.stages.screening import Screener
from compress.pipeline.stages.untrained import untrained
from compress.recipe.load import load_recipe
from compress.search.ledger import Screened
from compress.search.shapes import operators_of
from compress.search.space import FLOAT, FactoryStructure, Plan, space_for
from compress.store.store import open_store
from compress.tasks.views import as_inputs
from exporters.events import Event

SHAPES = Path(__file__).parents[2] / "projects" / "shapes"
SIZE = "{id: size, metric: file_bytes, max: 60KiB}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes") / "project"
    shutil.copytree(SHAPES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def screener(
    project: Path,
    *changes: str,
    fresh: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Screener:
    """Over a store that all tests share."""
    given = ("student={kind: auto}", "search={time: 1min}", f"budgets=[{SIZE}]", *changes)
    loaded = load_recipe(project / "teacher.yaml", overrides=given)
    context = prepare(loaded, cache=project / "cache")
    store = open_store(project / "cache")
    return Screener(context, {}, StageRunner(store, fresh=fresh), on_event=on_event)


def screened(project: Path, scheme: str, *changes: str) -> Screened:
    """Of one candidate."""
    structure = space_for("rows", schemes=(scheme,)).structures[0]
    with screener(project, *changes) as one:
        return one.screen(Plan(structure=structure, width=64, scheme=scheme))


def test_a_file_of_other_bits_is_screened_anew(project: Path) -> None:
    sizes = {
        bits: screened(
            project, "weight-only", f"quantize={{kind: weight-only, bits: {bits}}}"
        ).size_bytes
        for bits in (8, 4)
    }
    assert sizes[4] < 0.8 * sizes[8]


def test_what_is_screened_takes_raw_samples_where_the_shipped_file_does(project: Path) -> None:
    bare = screened(project, FLOAT)
    inside = screened(project, FLOAT, "export={preprocess: inside}")
    # Written anew with a Cast and a Div, and timed on raw samples: it refuses any others.
    assert inside.size_bytes != bare.size_bytes
    assert inside.macs == bare.macs


def test_shapes_are_those_of_the_structure_whatever_it_is_stored_in(project: Path) -> None:
    structure = FactoryStructure(family="residual", depth=1, ratios=(1.0, 2.0))
    with screener(project) as one:
        context = one.context
        for width in (8, 16):
            plan = Plan(structure=structure, width=width, scheme=FLOAT)
            network = untrained(planned(context, plan))
            found = one.operators(plan)
            assert found == operators_of(network, as_inputs(context.task, _rows(context)))
            assert one.operators(replace(plan, scheme="static")) == found


def _rows(context: Context) -> NDArray[np.generic]:
    return context.task.train.inputs[:1]


def test_what_can_not_be_built_fits_nothing_and_says_why(project: Path) -> None:
    halvings = FactoryStructure(family="residual", depth=1, ratios=(1.0,) * 6)  # of 8 pixels
    plan = Plan(structure=halvings, width=8, scheme=FLOAT)
    told: list[str] = []
    with screener(project, on_event=lambda event: told.append(event.message)) as one:
        assert one.operators(plan) == ()
        found = one.screen(plan)
    assert found.failed
    assert found.values == {}
    assert any("can't be made" in said for said in told)


def test_a_fresh_search_times_again_what_an_earlier_one_did_and_nothing_twice(
    project: Path,
) -> None:
    plan = Plan(structure=space_for("rows", schemes=(FLOAT,)).structures[0], width=24, scheme=FLOAT)
    worked = []
    for fresh in (False, False, True):
        with screener(project, fresh=fresh) as one:
            one.screen(plan)
            once = one.worked_s
            one.screen(plan)
            worked.append((once > 0, one.worked_s == once))
    assert worked == [(True, True), (False, True), (True, True)]


def test_without_a_teacher_time_is_told_and_no_speed_over_some_other_candidate(
    project: Path,
) -> None:
    told: list[str] = []
    structure = space_for("rows", schemes=(FLOAT,)).structures[0]
    with screener(project, on_event=lambda event: told.append(event.message)) as one:
        found = one.screen(Plan(structure=structure, width=64, scheme=FLOAT))
    assert found.speedup is None
    assert found.p50_ms > 0
    (note,) = (said for said in told if "KiB" in said)
    assert " ms, " in note
    assert "x" not in note.partition(": ")[2]
