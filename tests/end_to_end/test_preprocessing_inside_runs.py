"""`export: {preprocess: inside}`: the shipped file takes raw images of any size."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compress.cli.main import run_command
from compress.errors import InputError, RecipeError
from compress.gate.gate_file import load_gate
from compress.pipeline.gate_timing import timed_by
from compress.pipeline.run import RunResult, run
from compress.pipeline.verify import verify_run
from compress.recipe.load import load_recipe
from compress.tasks.build import build_task
from compress.teachers.earlier_run import run_teacher
from exporters.artifact import open_artifact

INSIDE = ("export={preprocess: inside}",)


@pytest.fixture(scope="module")
def project(pictures: Path) -> Path:
    return pictures


@pytest.fixture(scope="module")
def outside(pictures_run: RunResult) -> RunResult:
    return pictures_run


@pytest.fixture(scope="module")
def inside(project: Path, outside: RunResult) -> RunResult:
    return run(
        project / "recipe.yaml",
        out=project / "inside",
        cache=project.parent / "cache",
        overrides=INSIDE,
    )


def test_nothing_before_the_shipped_files_is_computed_again(inside: RunResult) -> None:
    assert [stage.stage for stage in inside.report.stages if not stage.hit] == [
        "ship",
        "measure",
        "judge",
    ]
    assert verify_run(inside.folder) == ()


def test_the_file_takes_raw_images_of_any_size(inside: RunResult) -> None:
    (spec,) = open_artifact(inside.folder / "student.onnx").inputs
    assert (spec.name, spec.dtype, spec.shape) == (
        "images",
        "uint8",
        ("batch", 3, "height", "width"),
    )


def test_answers_and_report_are_those_of_the_tasks_own_preprocessing(
    outside: RunResult, inside: RunResult
) -> None:
    stored = [
        np.load(result.folder / "predictions.npz", allow_pickle=False)["student"]
        for result in (outside, inside)
    ]
    np.testing.assert_array_equal(*stored)
    (note,) = [n for n in inside.report.notes if "preprocessing is inside" in n]
    assert "at batches of 1, 2, 33" in note
    assert "On 32 images at their own size pixels differ by at most 1 of 255" in note or (
        "On 32 images at their own size pixels differ by at most 0 of 255" in note
    )
    assert inside.report.measured is not None
    assert len(inside.report.measured.measurements) == len(outside.report.measured.measurements)


def test_predict_py_gives_the_same_for_files_of_any_size(
    project: Path, outside: RunResult, inside: RunResult
) -> None:
    files = sorted((project / "images").glob("*/00*.png"))
    answered = []
    for result in (outside, inside):
        done = subprocess.run(
            [sys.executable, "-I", str(result.folder / "predict.py"), "--json", *map(str, files)],
            capture_output=True,
            text=True,
            check=True,
        )
        answered.append(json.loads(done.stdout))
    assert [row["class"] for row in answered[0]] == [row["class"] for row in answered[1]]
    apart = [abs(a["probability"] - b["probability"]) for a, b in zip(*answered, strict=True)]
    assert max(apart) < 0.05


def test_a_gate_measures_it_by_the_recipes_task(
    project: Path, inside: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(inside.folder / "student.onnx", project / "candidate.onnx")
    (project / "distil.gate.yaml").write_text(
        "schema: 1\ncandidate: candidate.onnx\nfeeds: {task: recipe.yaml}\nbudgets:\n"
        "  - {id: right, metric: accuracy, min: 50%}\n"
        "  - {id: speed, metric: latency.p50, max: 1s, on_inconclusive: warn}\n"
    )
    monkeypatch.chdir(project)
    monkeypatch.setenv("DISTIL_CACHE", str(project.parent / "gate-cache"))
    code = run_command(["gate", "--measure", "-q", "--json", str(project / "gate.json")])
    verdicts = json.loads((project / "gate.json").read_text())["result"]["verdicts"]
    assert {v["budget"]: v["status"] for v in verdicts} == {"right": "pass", "speed": "pass"}
    assert code == 0


def test_its_times_are_not_held_against_a_file_that_does_less(
    project: Path, inside: RunResult, outside: RunResult
) -> None:
    path = project / "timed.gate.yaml"
    path.write_text(
        f"schema: 1\ncandidate: {inside.folder}/student.onnx\nfeeds: {{task: recipe.yaml}}\n"
        f"baseline: {{model: {outside.folder}/student.onnx}}\nbudgets:\n"
        "  - {id: speed, metric: latency.p50, vs: baseline, max_increase: 5%}\n"
    )
    gate = load_gate(path)
    recipe = load_recipe(project / "recipe.yaml").recipe
    task = build_task(recipe.task, folder=project, seed=0, cache=project.parent / "cache")
    files = {"student": inside.folder / "student.onnx", "baseline": outside.folder / "student.onnx"}
    with pytest.raises(
        InputError, match="student takes raw samples and the baseline does not"
    ) as e:
        timed_by(
            gate, gate.budgets, files, digests={}, task=task, tests=1, on_event=lambda event: None
        )
    assert "export both with the same `export.preprocess`" in e.value.cure


def test_it_can_not_teach(project: Path, inside: RunResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"takes raw samples.*preprocess: outside"):
        run_teacher(inside.folder, digest="", threads=1)
    with pytest.raises(InputError, match=r"takes raw samples.*preprocess: outside"):
        run(
            project / "recipe.yaml",
            out=tmp_path / "next",
            cache=project.parent / "cache",
            overrides=("teacher={kind: run, path: inside}", "distill.loss={kind: kd}"),
        )
    assert not (tmp_path / "next" / "manifest.json").exists()


def test_texts_are_refused_before_anything_starts(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "schema: 1\nname: texts\ntask: {kind: text-table, data: rows.csv, tokenizer: t.json}\n"
        'student: {kind: python, target: "project.py:student"}\n'
        "distill: {loss: {kind: labels}}\nexport: {preprocess: inside}\n"
    )
    with pytest.raises(RecipeError, match=r":6:\d+: export.preprocess: a tokenizer has no ONNX"):
        load_recipe(recipe)
