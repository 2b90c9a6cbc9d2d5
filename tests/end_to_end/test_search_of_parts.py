"""`student: {kind: auto}` over parts of the teacher, which keep their weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from found import assert_kept

from compress.errors import InputError
from compress.pipeline.run import prepare, run
from compress.pipeline.search_space import check_search, space_of
from compress.pipeline.verify import verify_run
from compress.recipe.load import load_recipe

BUDGETS = (
    "budgets=[{id: size, metric: file_bytes, max: 24KiB}, "
    "{id: accuracy, metric: accuracy, vs: teacher, max_drop: 20pp}]"
)
GIVEN = (
    "search={time: 1min}",
    "decisions={precision: float32}",
    "distill.epochs=4",
    "distill.views=1",
    "slices=none",
    BUDGETS,
)
PARTS = "student={kind: auto, families: [pruned, truncated]}"


def test_parts_of_a_black_box_are_refused_before_anything_starts(
    shapes: Path, tmp_path: Path
) -> None:
    (shapes / "scores.npz").write_bytes(b"")
    stored = "teacher={kind: outputs, path: scores.npz}"
    loaded = load_recipe(shapes / "recipe.yaml", overrides=(*GIVEN, PARTS, stored))
    context = prepare(loaded, cache=tmp_path / "cache")
    with pytest.raises(InputError, match="has no layers") as refused:
        check_search(context)
    assert "residual" in (refused.value.cure or "")


def test_a_teacher_that_can_be_cut_is_in_the_space_beside_the_families(
    shapes: Path, tmp_path: Path
) -> None:
    both = "student={kind: auto}"
    loaded = load_recipe(shapes / "recipe.yaml", overrides=(*GIVEN, both))
    space = space_of(prepare(loaded, cache=tmp_path / "cache"))
    families = [one.family for one in space.structures]
    assert families[3] == "pruned"  # its two convolutions are no blocks
    assert {"residual", "depthwise"} < set(families)


def test_a_family_that_is_no_first_choice_is_searched_beside_one_that_is(
    shapes: Path, tmp_path: Path
) -> None:
    both = "student={kind: auto, families: [residual, perceptron]}"
    loaded = load_recipe(shapes / "recipe.yaml", overrides=(*GIVEN, both))
    space = space_of(prepare(loaded, cache=tmp_path / "cache"))
    assert {one.family for one in space.structures} == {"residual", "perceptron"}


@pytest.mark.slow
def test_a_part_of_the_teacher_is_found_and_made_again_without_a_search(
    shapes: Path, tmp_path: Path
) -> None:
    recipe, cache, given = shapes / "recipe.yaml", tmp_path / "cache", (*GIVEN, PARTS)
    result = run(recipe, out=tmp_path / "run", cache=cache, overrides=given)
    report = result.report
    assert {v.budget: v.status for v in report.verdicts} == {"size": "pass", "accuracy": "pass"}
    assert report.search is not None
    assert report.search.chosen.startswith("narrower teacher")
    assert (result.folder / "student.plan.json").is_file()
    assert verify_run(tmp_path / "run") == ()
    found = yaml.safe_load((result.folder / "found.yaml").read_text())
    assert found["student"]["kind"] == "pruned"
    assert_kept(recipe, result.folder, given, cache=cache, stages={"prune", "train", "export"})


@pytest.mark.slow
def test_a_budget_on_memory_decides_how_large_a_student_may_be(
    shapes: Path, tmp_path: Path
) -> None:
    memory = "{id: memory, metric: memory.peak_rss_delta, vs: teacher, max_ratio: 3x}"
    given = (*GIVEN[:-1], "student={kind: auto, families: [residual]}", f"budgets=[{memory}]")
    report = run(
        shapes / "recipe.yaml", out=tmp_path / "run", cache=tmp_path / "cache", overrides=given
    ).report
    assert report.search is not None
    assert any(trial.fits for trial in report.search.trials)
    assert report.search.trials[0].fits
    (verdict,) = report.verdicts
    assert verdict.status == "pass"
