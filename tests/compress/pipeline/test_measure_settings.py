"""What a recipe's budgets on time ask of its measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.question import Question
from benchmarks.settings import PairLimit
from benchmarks.values import Setting
from compress.pipeline.stages.measuring import bench_settings
from compress.recipe.deployments import recipe_of
from compress.recipe.load import load_recipe_text
from compress.recipe.nodes import Recipe

HEAD = """\
schema: 1
name: toy
task: {kind: python, target: "project.py:data"}
teacher: {kind: python, target: "project.py:teacher"}
student: {kind: python, target: "project.py:student"}
distill: {loss: {kind: kd}, epochs: 1, batch: 8}
"""
BENCH = "bench: {batch: [1, 8], epochs: 5}\n"
BUDGETS = """\
budgets:
  - {id: size, metric: file_bytes, vs: teacher, max_ratio: 0.5x}
  - {id: speed, metric: latency.p50, vs: teacher, min_speedup: 8x}
  - {id: more, metric: throughput, vs: teacher, min_speedup: 4x, batch: 8, level: warn}
  - {id: near, metric: latency.p50, vs: teacher, max_increase: 2%, batch: 8}
  - {id: off, metric: latency.p50, vs: teacher, max_ratio: 3x, level: "off"}
  - {id: plain, metric: latency.p50, max: 5ms}
"""
SUBJECTS = ("teacher", "student", "teacher int8")


def recipe(folder: Path, text: str) -> Recipe:
    return load_recipe_text(HEAD + text, folder=folder).recipe


def limit(ratio: float, *, batch: int = 1) -> PairLimit:
    setting = Setting(device="cpu", threads=1, batch=batch)
    return PairLimit(candidate="student", setting=setting, ratio=ratio)


def test_budgets_against_the_teachers_time_are_limits_that_share_the_level(tmp_path: Path) -> None:
    found = bench_settings(recipe(tmp_path, BENCH + BUDGETS), SUBJECTS)
    assert found.limits == (limit(1 / 8), limit(1 / 4, batch=8), limit(1.02, batch=8))
    assert found.question == Question(tests=4)  # the absolute one takes its part, as when judged
    assert (found.epochs, found.most_epochs, found.limit_s) == (5, 96, 300.0)


def test_without_such_budgets_the_epochs_are_those_of_bench(tmp_path: Path) -> None:
    absolute = (
        "budgets: [{id: a, metric: latency.p50, max: 1ms}, {id: b, metric: throughput, min: 9}]\n"
    )
    for text, subjects in (
        (BENCH, SUBJECTS),
        (BENCH + absolute, SUBJECTS),
        (BENCH + BUDGETS, ("student",)),  # as `recheck` without the teacher's file
    ):
        found = bench_settings(recipe(tmp_path, text), subjects)
        assert (found.limits, found.most_epochs, found.question) == ((), None, Question())


def test_more_epochs_than_the_test_looks_at_are_all_run(tmp_path: Path) -> None:
    many = BENCH.replace("epochs: 5", "epochs: 120")
    assert bench_settings(recipe(tmp_path, many + BUDGETS), SUBJECTS).most_epochs == 120


@pytest.mark.parametrize(("target", "batch"), [("board", 1), ("server", 8)])
def test_a_target_asks_for_its_own(tmp_path: Path, target: str, batch: int) -> None:
    whole = recipe(
        tmp_path,
        "targets: [{id: board, batch: [1]}, {id: server, batch: [8]}]\n"
        "budgets:\n"
        "  - {id: b, metric: latency.p50, vs: teacher, min_speedup: 2x, on: board}\n"
        "  - {id: s, metric: latency.p50, vs: teacher, min_speedup: 2x, on: server, batch: 8}\n",
    )
    one = next(found for found in whole.targets if found.id == target)
    found = bench_settings(recipe_of(whole, one), SUBJECTS)
    assert (found.limits, found.question.tests) == ((limit(1 / 2, batch=batch),), 1)
