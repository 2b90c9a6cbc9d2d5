"""`distil advise` and `loss: auto`: a race of real pilots, its answer used by the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compress.cli.invocation import Invocation
from compress.cli.main import run_command
from compress.errors import InputError
from compress.pipeline.method import advise_recipe
from compress.pipeline.run import plan, run
from compress.recipe.load import load_recipe
from exporters.events import Event

SHORT = ("distill.epochs=1", "distill.views=1")


def test_a_budget_that_no_race_fits_names_the_smallest_that_does(
    shapes: Path, tmp_path: Path
) -> None:
    loaded = load_recipe(shapes / "recipe.yaml", overrides=SHORT)
    with pytest.raises(InputError, match=r"no race fits in 1s") as refused:
        advise_recipe(loaded, cache=tmp_path, budget="1s")
    assert "min or more" in str(refused.value.cure)


def test_a_fresh_race_computes_again_what_its_pilots_are_made_of(
    shapes: Path, tmp_path: Path
) -> None:
    loaded = load_recipe(shapes / "recipe.yaml", overrides=SHORT)

    def computed(*, fresh: bool) -> set[str]:
        events: list[Event] = []
        with pytest.raises(InputError, match=r"no race fits in 1s"):
            advise_recipe(loaded, cache=tmp_path, budget="1s", fresh=fresh, on_event=events.append)
        return {event.stage for event in events if event.kind == "progress"}

    first = computed(fresh=False)
    assert "teacher-outputs-0" in first
    assert "teacher-outputs-0" not in computed(fresh=False)
    assert computed(fresh=True) == first


def test_embeddings_are_refused_with_the_loss_that_suits_them(
    sayings: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="the task gives embeddings") as refused:
        advise_recipe(load_recipe(sayings / "embed.yaml"), cache=tmp_path)
    assert refused.value.where == "task.outputs"
    assert "{kind: embedding, form: similarity-kl}" in str(refused.value.cure)
    assert run_command(["advise", str(sayings / "embed.yaml"), "--cache", str(tmp_path)]) == 2


def test_without_a_teacher_there_is_nothing_to_advise(shapes: Path, tmp_path: Path) -> None:
    assert run_command(["advise", str(shapes / "teacher.yaml"), "--cache", str(tmp_path)]) == 2


@pytest.mark.slow
def test_the_race_recommends_and_the_run_goes_on_with_it(
    shapes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raced, drawn = list[Event](), Invocation.on_event

    def watched(self: Invocation, event: Event) -> None:
        raced.append(event)
        drawn(self, event)

    monkeypatch.setattr(Invocation, "on_event", watched)
    cache, recipe = tmp_path / "cache", shapes / "recipe.yaml"
    kept = tmp_path / "advice.json"
    command = ["advise", str(recipe), "--budget", "10min", "--cache", str(cache), "-q"]
    command += [part for change in SHORT for part in ("--set", change)]
    assert run_command([*command, "--json", str(kept)]) == 0
    assert len([event for event in raced if event.message.startswith("pilot ")]) >= 9
    assert _readers(raced) == []  # on validation data alone
    said = capsys.readouterr().out
    found = json.loads(kept.read_text())["result"]
    rows = {row["arm"]: row for row in found["advice"]["rows"]}
    assert {"labels", "label smoothing", "kd"} <= set(rows)
    (seeds,) = {len(row["scores"]) for row in rows.values()}
    assert 3 <= seeds <= found["plan"]["seeds"]  # fewer where the time ran out
    assert 0 < found["measured_s"] < found["seconds"]
    assert found["advice"]["chosen"] in rows
    assert f"Recommended: {found['advice']['chosen']}" in said
    assert all(found["facts"]["layers"])  # of the student and of the teacher
    assert "kd and hint" in found["offered"]
    best_control = max(rows[name]["mean"] for name in ("labels", "label smoothing"))
    for row in rows.values():
        if not row["control"]:
            assert row["difference"] == pytest.approx(row["mean"] - best_control)

    auto = (*SHORT, "distill.loss={kind: auto, budget: 10min}")
    steps = plan(recipe, cache=cache, overrides=auto)
    assert [step.hit for step in steps if step.stage == "method"] == [True]
    told: list[Event] = []
    result = run(recipe, out=tmp_path / "run", cache=cache, overrides=auto, on_event=told.append)
    assert _readers(told) == ["judge"]
    method = next(one for one in result.report.decisions if one.question == "method")
    assert method.chosen == found["advice"]["chosen"]


def _readers(events: list[Event]) -> list[str]:
    """The stages in which the test split was read."""
    stage, found = "", []
    for event in events:
        if event.kind == "start":
            stage = event.stage
        if event.kind == "test-read":
            found.append(stage)
    return found
