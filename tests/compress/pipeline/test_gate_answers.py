"""Answers that `distil gate --measure` finds on a task: by group, by slice, by every metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gate_rows import (
    ACCURACY,
    BY_FILE,
    BY_TASK,
    METRICS,
    PROJECT,
    RECIPE,
    WORDS,
    judged,
    kept,
    save_rows,
    sliced,
    write_project,
)

from compress.errors import InputError
from compress.pipeline.context import Context
from compress.pipeline.recheck import _against_stored
from compress.recipe.load import load_recipe
from compress.tasks.build import build_task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def test_samples_of_one_recording_prove_no_more_than_it(folder: Path) -> None:
    grouped = judged(folder, BY_TASK + ACCURACY)["accuracy"]
    assert grouped.status == "inconclusive"
    assert "20 groups of 600 samples, 20 lost" in grouped.reason
    (folder / "project.py").write_text(PROJECT.replace("at // 30,", "None,"))
    (folder / ".distil" / "gate" / "distil.gate" / "report.json").unlink()
    assert judged(folder, BY_TASK + ACCURACY)["accuracy"].status == "pass"


def test_all_slices_are_those_of_a_run_and_a_fault_under_noise_is_found(folder: Path) -> None:
    save_rows(folder / "student.onnx", pixels=1)
    found = judged(folder, BY_TASK + sliced("all"))["all"]
    status = {part.name: part.status for part in found.parts}
    kinds = {name.split(" ")[0] for name in status}
    assert kinds == {"class", "site", "brightness", "confidence", "corruption"}
    assert found.status == "violated"
    assert {name for name, word in status.items() if word == "violated"} == {"corruption noise"}
    assert kept(folder)["slices_absent"] == {}


def test_a_column_of_the_task_is_a_slice_and_what_is_none_is_named(folder: Path) -> None:
    project = PROJECT.replace("at // 30,", "None,")
    (folder / "project.py").write_text(project)
    found = judged(folder, BY_TASK + sliced("site"))["site"]
    assert {part.name: part.status for part in found.parts} == {
        "site isle": "violated",
        "site coast": "pass",
    }
    with pytest.raises(InputError, match="no slices by colour; here they are by class, site, br"):
        judged(folder, BY_TASK + sliced("colour"))


def test_the_recipe_says_which_slices_there_are(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(RECIPE + "slices: {by: [class], corruptions: [blur]}\n")
    found = judged(folder, BY_TASK + sliced("all", "50pp"))["all"]
    assert {part.name for part in found.parts} == {
        "class top",
        "class middle",
        "class low",
        "corruption blur",
    }


def test_metrics_of_answers_are_computed_and_nothing_is_timed(folder: Path) -> None:
    found = judged(folder, BY_TASK + METRICS)
    assert {name: one.status for name, one in found.items()} == WORDS
    assert "20 groups" in found["f1"].reason
    assert kept(folder)["measured"] is None


def test_embeddings_are_compared_by_task_and_by_file(folder: Path) -> None:
    budgets = (
        "  - {id: kept, metric: spearman, vs: teacher, min: 0.7}\n"
        "  - {id: same, metric: spearman, min: 0.5}\n"
    )
    (folder / "project.py").write_text(PROJECT.replace("600", "150"))
    text = RECIPE.replace('data"}', 'data", outputs: embeddings}')
    text = text.replace("distill: {loss: {kind: labels}", "distill: {loss: embedding")
    (folder / "recipe.yaml").write_text(f"{text}teacher: {{kind: onnx, path: teacher.onnx}}\n")
    save_rows(folder / "student.onnx", pixels=3)
    found = judged(folder, BY_TASK + budgets)
    assert {one.status for one in found.values()} == {"pass"}
    assert "over 5 groups at 95 %, 150 samples" in found["kept"].reason  # recordings of 30
    with pytest.raises(InputError, match="accuracy compares classes, and the task gives embedd"):
        judged(folder, BY_TASK + ACCURACY)
    teacher = np.random.default_rng(0).normal(size=(200, 8))
    student = teacher + np.random.default_rng(1).normal(size=(200, 8)) / 10
    kinds = {"over samples": {}, "over 100 groups": {"groups": np.arange(200) // 2}}
    for over, more in kinds.items():
        np.savez(folder / "answers.npz", teacher=teacher, student=student, **more)
        (folder / ".distil" / "gate" / "distil.gate" / "report.json").unlink()
        found = judged(folder, BY_FILE + budgets)
        assert {one.status for one in found.values()} == {"pass"}
        assert f"{over} at 95 %, 200 samples" in found["kept"].reason


def test_a_recheck_against_stored_answers_goes_by_recording_too(folder: Path) -> None:
    loaded = load_recipe(folder / "recipe.yaml")
    cache = folder / "cache"
    context = Context(
        recipe=loaded.recipe,
        folder=folder,
        cache=cache,
        data_folder=None,
        task=build_task(loaded.recipe.task, folder=folder, seed=0, cache=cache),
        machine={},
        threads=1,
    )
    found = _against_stored(context, folder / "student.onnx", np.arange(600) % 3)
    (pair,) = found.pairs
    assert (pair.groups, pair.lost) == (20, 20)
    assert pair.difference_low_bound < -0.06
    assert {one.kind for one in found.slices} == {"class", "site", "brightness"}
    assert {one.groups for one in found.slices if one.kind == "class"} == {20}
    assert found.slices_absent == {"teacher": ("confidence", "corruption")}
    assert [len(one.metrics) for one in found.qualities] == [3, 6]
