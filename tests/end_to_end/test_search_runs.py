"""`student: {kind: auto}`: budgets in, student out; and what is said where nothing meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
import yaml
from found import assert_kept

from compress.cli.main import run_command
from compress.errors import InputError
from compress.pipeline.limits import with_limit
from compress.pipeline.run import plan, run
from compress.pipeline.verify import verify_run
from compress.recipe.load import load_recipe
from compress.report.serialise import load_report
from compress.search.database import open_database
from compress.store.store import open_store
from compress.values import SearchFacts

SIZE = "{id: size, metric: file_bytes, max: %s}"
ACCURACY = "{id: accuracy, metric: accuracy, vs: teacher, max_drop: %s}"


def overrides(*budgets: str, minutes: float = 2) -> tuple[str, ...]:
    return (
        "student={kind: auto, families: [residual]}",
        f"search={{time: {minutes}min}}",
        "decisions={precision: float32}",
        "distill.epochs=6",
        "distill.views=1",
        "slices=none",
        f"budgets=[{', '.join(budgets)}]",
    )


def command(recipe: Path, out: Path, cache: Path, changes: tuple[str, ...]) -> list[str]:
    sets = [part for change in changes for part in ("--set", change)]
    return ["run", str(recipe), "--out", str(out), "--cache", str(cache), "-q", *sets]


@pytest.mark.parametrize(
    ("changes", "said", "cure"),
    [
        (("distill.loss={kind: auto, budget: 50s}",), "too little of a search of 2min", "36s or"),
        ((f"budgets=[{ACCURACY % '20pp'}]",), "the largest student", "file_bytes"),
        (("student={kind: auto, families: [encoder]}",), "can't take the inputs", "residual"),
    ],
)
def test_what_a_search_cannot_work_with_is_said_before_anything_starts(
    shapes: Path, tmp_path: Path, changes: tuple[str, ...], said: str, cure: str
) -> None:
    events: list[str] = []
    given = (*overrides(SIZE % "60KiB", ACCURACY % "20pp"), *changes)
    with pytest.raises(InputError, match=said) as refused:
        run(
            shapes / "recipe.yaml",
            out=tmp_path / "run",
            cache=tmp_path / "cache",
            overrides=given,
            on_event=lambda event: events.append(event.kind),
        )
    assert cure in (refused.value.cure or "")
    assert "start" not in events


def test_a_search_for_several_machines_is_refused(shapes: Path, tmp_path: Path) -> None:
    lines = (shapes / "recipe.yaml").read_text().splitlines(keepends=True)
    recipe = shapes / "several-machines.yaml"
    recipe.write_text("".join(line for line in lines if not line.startswith("bench:")))
    given = (*overrides(SIZE % "60KiB", ACCURACY % "20pp"), "targets=[{id: here}]")
    with pytest.raises(InputError, match="one machine") as refused:
        run(recipe, out=tmp_path / "run", cache=tmp_path / "cache", overrides=given)
    assert "bench" in (refused.value.cure or "")


@pytest.mark.slow
def test_a_student_within_the_budgets_is_found_distilled_and_judged(
    shapes: Path, tmp_path: Path
) -> None:
    recipe, cache = shapes / "recipe.yaml", tmp_path / "cache"
    given = overrides(SIZE % "60KiB", ACCURACY % "20pp")
    assert [(step.stage, step.hit) for step in plan(recipe, cache=cache, overrides=given)] == [
        ("search", False)
    ]
    result = run(recipe, out=tmp_path / "run", cache=cache, overrides=given)
    report = result.report
    assert {v.budget: v.status for v in report.verdicts} == {"size": "pass", "accuracy": "pass"}
    facts = report.search
    assert facts is not None
    assert facts.binding is None
    assert facts.relaxations == ()
    assert facts.trials[0].name == facts.chosen
    assert facts.trials[0].fits
    # A file is as large as its untrained twin, but for what training makes of equal values.
    assert (result.folder / "student.onnx").stat().st_size == pytest.approx(
        facts.trials[0].size_bytes, rel=0.02
    )
    assert sum(trial.accuracy is not None for trial in facts.trials) >= 1
    decision = next(one for one in report.decisions if one.question == "student")
    assert decision.chosen == facts.chosen
    assert verify_run(tmp_path / "run") == ()
    assert candidates_of(result.folder / "study.journal") == {trial.name for trial in facts.trials}
    assert {"pilots", "training in full", "measuring", "bookkeeping"} <= set(facts.spent_s)
    assert_kept(recipe, result.folder, given, cache=cache, stages={"train", "export", "quantize"})


@pytest.mark.slow
def test_with_loss_auto_what_is_found_is_trained_by_the_loss_that_the_search_names(
    shapes: Path, tmp_path: Path
) -> None:
    recipe, cache, told = shapes / "recipe.yaml", tmp_path / "cache", list[str]()
    given = (
        *overrides(SIZE % "60KiB", ACCURACY % "20pp"),
        "distill.loss={kind: auto, budget: 15s}",  # too short for any race
    )
    result = run(
        recipe,
        out=tmp_path / "run",
        cache=cache,
        overrides=given,
        on_event=lambda event: told.append(event.message),
    )
    assert any(said.startswith("goes on with the first loss: no race fits in 15s") for said in told)
    facts = result.report.search
    assert facts is not None
    assert facts.spent_s["race of losses"] > 0
    said = yaml.safe_load((result.folder / "found.yaml").read_text())
    assert said["distill"]["loss"]["kind"] == "kd"
    assert "method" not in {one.stage for one in result.report.stages}
    assert_kept(recipe, result.folder, given, cache=cache, stages={"train", "export", "quantize"})


@pytest.mark.slow
def test_where_nothing_meets_the_budgets_the_best_is_kept_and_the_relaxed_size_is_enough(
    shapes: Path, tmp_path: Path
) -> None:
    recipe, cache = shapes / "recipe.yaml", tmp_path / "cache"
    out = tmp_path / "run"
    given = overrides(SIZE % "9KiB", ACCURACY % "6pp", minutes=3)
    assert run_command(command(recipe, out, cache, given)) == 1
    assert (out / "student.onnx").is_file()
    report = load_report(out / "report.json")
    facts = report.search
    assert isinstance(facts, SearchFacts)
    assert facts.binding in ("accuracy", "size")
    relaxed = {one.budget: one for one in facts.relaxations}
    assert set(relaxed) == {"accuracy", "size"}
    assert any(f"`{facts.binding}` is the one that binds" in note for note in report.notes)
    enough = relaxed["size"].enough
    assert enough is not None
    loaded = load_recipe(recipe, overrides=given)
    size = with_limit(next(b for b in loaded.recipe.budgets if b.id == "size"), enough)
    again = overrides(SIZE % size.max, ACCURACY % "6pp", minutes=3)
    result = run(recipe, out=tmp_path / "again", cache=cache, overrides=again)
    status = {v.budget: v.status for v in result.report.verdicts}
    assert status["size"] == "pass"
    assert status["accuracy"] in ("pass", "inconclusive")


@pytest.mark.slow
def test_a_killed_search_goes_on_and_asks_for_nothing_twice(shapes: Path, tmp_path: Path) -> None:
    recipe, cache, out = shapes / "recipe.yaml", tmp_path / "cache", tmp_path / "run"
    given = overrides(SIZE % "60KiB", ACCURACY % "20pp")
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "compress", *command(recipe, out, cache, given)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    )
    deadline = time.monotonic() + 600
    while len(stored(cache, "screen-")) < 2 and time.monotonic() < deadline:
        assert child.poll() is None, "the search was over before two candidates were timed"
        time.sleep(0.2)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    before = stored(cache, "screen-")
    assert len(before) >= 2
    assert not (out / "report.json").exists()
    run(recipe, out=out, cache=cache, overrides=given)
    after = stored(cache, "screen-")
    assert {name: after[name] for name in before} == before
    report = json.loads((out / "report.json").read_text())
    assert report["search"]["binding"] is None


@pytest.mark.slow
def test_a_fresh_search_decides_nothing_by_what_is_stored(shapes: Path, tmp_path: Path) -> None:
    recipe, cache = shapes / "recipe.yaml", tmp_path / "cache"
    few = ("student={kind: auto, families: [perceptron]}", "quantize={kind: none}")
    given = (*overrides(SIZE % "60KiB", ACCURACY % "60pp"), *few, "distill.epochs=2")
    run(recipe, out=tmp_path / "run", cache=cache, overrides=given)
    before = stored(cache, "")
    time.sleep(1.1)  # the times of entries are whole seconds
    began: list[str] = []
    result = run(
        recipe,
        out=tmp_path / "again",
        cache=cache,
        overrides=given,
        fresh=True,
        on_event=lambda event: began.append(event.stage) if event.kind == "start" else None,
    )
    after = stored(cache, "")
    search = result.report.search
    assert search is not None
    again = {name for name in after if name not in before or after[name] > before[name]}
    assert any(name.startswith("pilot-") for name in again)
    assert sum(name.startswith("screen-") for name in again) == len(search.trials)
    assert {"search", "train", "export", "judge"} <= again
    assert began.count("search") == 1
    assert not {"train", "export"} & set(began)  # the search itself has just trained it
    assert all(step.hit for step in plan(recipe, cache=cache, overrides=given))


def candidates_of(study: Path) -> set[str]:
    """Every candidate that a study holds."""
    with open_database(str(study)) as storage:
        (name,) = optuna.get_all_study_names(storage)
        trials = optuna.load_study(study_name=name, storage=storage).trials
    return {one.user_attrs["candidate"] for one in trials if "candidate" in one.user_attrs}


def stored(cache: Path, prefix: str) -> dict[str, str]:
    """stage -> when it was made."""
    if not (cache / "index").is_dir():
        return {}
    with open_store(cache) as store:
        return {
            entry.stage: entry.created_at
            for entry in store.index.entries()
            if entry.stage.startswith(prefix)
        }
