"""Trainings of a search that fail by themselves, and those that fail for want of a machine."""

from __future__ import annotations

import math
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compress.errors import MachineFailed
from compress.pipeline.run import prepare
from compress.pipeline.stage_runner import StageRunner
from compress.pipeline.stages.candidates import Candidates
from compress.recipe.load import load_recipe
from compress.search.solve import Found
from compress.search.space import FLOAT, Plan, space_for
from compress.store.store import open_store

SHAPES = Path(__file__).parents[2] / "projects" / "shapes"
STRUCTURE = space_for("rows", schemes=(FLOAT,)).structures[0]
PLAN = Plan(structure=STRUCTURE, width=16, scheme=FLOAT)
PLAN_INT8 = Plan(structure=STRUCTURE, width=16, scheme="int8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes") / "project"
    shutil.copytree(SHAPES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@contextmanager
def candidates(project: Path, told: list[str], *changes: str) -> Iterator[Candidates]:
    """Over a store that all tests share."""
    given = (
        "student={kind: auto}",
        "search={time: 1min}",
        "budgets=[{id: size, metric: file_bytes, max: 60KiB}]",
        *changes,
    )
    loaded = load_recipe(project / "teacher.yaml", overrides=given)
    with open_store(project / "cache") as store:
        context = prepare(loaded, cache=project / "cache")
        yield Candidates(context, StageRunner(store), lambda event: told.append(event.message))


@contextmanager
def small_files(most_bytes: int) -> Iterator[None]:
    """What this process and its children write may be no larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.slow  # two trainings in processes of their own
def test_what_is_trained_and_can_not_be_shipped_has_failed_and_ends_nothing(project: Path) -> None:
    told: list[str] = []
    exact = ("export={atol: 1.0e-30, rtol: 1.0e-30}", "quantize={kind: static, samples: 32}")
    with candidates(project, told, *exact) as here:
        scored = here.pilot(PLAN_INT8, seed=0, epochs=1)
        found = Found(plan=PLAN_INT8, fits=True, epochs=1, epoch_s=1.0, pilots={})
        done = here.finish(found)
    assert math.isnan(scored.accuracy)
    assert scored.failed.startswith("the ONNX file differs from the torch student by up to ")
    assert scored.epoch_s > 0
    assert done.seen is None
    assert done.failed == scored.failed
    assert sum(done.parts.values()) > 0
    assert sum(f"{PLAN_INT8.name} failed: the ONNX file differs" in said for said in told) == 2


def test_a_disk_that_is_full_ends_the_search_and_the_candidate_has_not_failed(
    project: Path,
) -> None:
    told: list[str] = []
    with (
        candidates(project, told) as here,
        small_files(16_384),
        pytest.raises(MachineFailed, match="file size limit"),
    ):
        here.pilot(PLAN, seed=1, epochs=1)
    assert not any("failed" in said for said in told)
