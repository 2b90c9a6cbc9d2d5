"""Whole runs on real data that the tests make: from recipe to a folder that can be deployed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from compress.pipeline.run import RunResult, plan, run
from compress.pipeline.verify import verify_run
from exporters.events import Event

PROJECTS = Path(__file__).parents[1] / "projects"


def test_the_run_folder_holds_what_the_readme_names(finished: RunResult) -> None:
    names = {path.name for path in finished.folder.iterdir() if not path.name.startswith(".")}
    assert names >= {
        "student.onnx",
        "student.safetensors",
        "manifest.json",
        "report.json",
        "report.html",
        "report.md",
        "junit.xml",
        "events.jsonl",
        "predictions.npz",
        "predict.py",
    }
    assert verify_run(finished.folder) == ()


def test_the_report_compares_student_and_teacher(finished: RunResult) -> None:
    report = finished.report
    assert [quality.subject for quality in report.qualities] == ["teacher", "student"]
    assert report.measured is not None
    assert [m.subject for m in report.measured.measurements] == ["teacher", "student"]
    assert [v.budget for v in report.verdicts] == ["accuracy", "size"]
    assert report.export is not None
    assert report.export.parity.batches == (1, 2, 33)
    assert report.export.parity.samples >= 256
    assert [step.stage for step in report.sizes] == [
        "teacher",
        "student float32",
        "student int8",
    ]
    assert [d.chosen for d in report.decisions] == ["float32", "int8"]
    assert all(decision.pinned for decision in report.decisions)


def test_images_are_judged_under_noise_blur_and_loss_of_contrast(finished: RunResult) -> None:
    found = {one.name: one for one in finished.report.slices if one.kind == "corruption"}
    assert found.keys() == {"noise", "blur", "contrast"}
    assert {one.samples for one in found.values()} == {400}
    plain = next(quality for quality in finished.report.qualities if quality.subject == "student")
    assert found["noise"].candidate_right < 400 * plain.accuracy


def test_test_samples_are_read_once_and_by_the_judge(
    events: list[Event], finished: RunResult
) -> None:
    stage, readers = "", []
    for event in events:
        if event.kind == "start":
            stage = event.stage
        if event.kind == "test-read":
            readers.append(stage)
    assert readers == ["judge"]


def test_predictions_on_file_give_the_accuracies_of_the_report(finished: RunResult) -> None:
    with np.load(finished.folder / "predictions.npz", allow_pickle=False) as stored:
        for quality in finished.report.qualities:
            right = (stored[quality.subject] == stored["labels"]).mean()
            assert quality.accuracy == pytest.approx(right, abs=1e-12)
        assert len(stored["labels"]) == 400


def test_a_second_run_is_all_hits_and_gives_the_same_files(
    shapes: Path, store: Path, finished: RunResult, tmp_path: Path
) -> None:
    assert all(stage.hit for stage in plan(shapes / "recipe.yaml", cache=store))
    again = run(shapes / "recipe.yaml", out=tmp_path / "again", cache=store)
    assert all(stage.hit for stage in again.report.stages)
    for name in ("student.onnx", "student.safetensors", "predictions.npz"):
        assert (again.folder / name).read_bytes() == (finished.folder / name).read_bytes()


def test_a_changed_key_names_itself_and_leaves_earlier_stages_alone(
    shapes: Path, store: Path, finished: RunResult
) -> None:
    planned = {
        stage.stage: stage
        for stage in plan(
            shapes / "recipe.yaml", cache=store, overrides=("distill.learning_rate=0.04",)
        )
    }
    assert planned["teacher-outputs-0"].hit
    assert not planned["train"].hit
    assert "distill.learning_rate: 0.05 -> 0.04" in planned["train"].why
    assert planned["export"].why == "waits for train"


def test_another_budget_computes_nothing_again(
    shapes: Path, store: Path, finished: RunResult, tmp_path: Path
) -> None:
    seen: list[Event] = []
    strict = run(
        shapes / "recipe.yaml",
        out=tmp_path / "strict",
        cache=store,
        overrides=("budgets=[{id: size, metric: file_bytes, max: 1KiB}]",),
        on_event=seen.append,
    )
    assert all(stage.hit for stage in strict.report.stages)
    assert [v.status for v in strict.report.verdicts] == ["violated"]
    assert not [event for event in seen if event.kind == "test-read"]


@pytest.mark.slow
def test_a_limit_on_time_goes_on_until_it_is_decided(
    shapes: Path, store: Path, finished: RunResult, tmp_path: Path
) -> None:
    """The recipe has three epochs, and no sign-flip test ends before the tenth."""
    budgets = "budgets=[{id: speed, metric: latency.p50, vs: teacher, max_ratio: 100x}]"
    planned = plan(shapes / "recipe.yaml", cache=store, overrides=(budgets,))
    assert [stage.stage for stage in planned if not stage.hit] == ["measure"]
    limited = run(shapes / "recipe.yaml", out=tmp_path / "to", cache=store, overrides=(budgets,))
    measured = limited.report.measured
    assert measured is not None
    compared = {c.candidate: c for c in measured.comparisons}["student"]
    assert (len(compared.log_ratios), compared.limit_verdict) == (10, "met")
    assert [v.status for v in limited.report.verdicts] == ["pass"]
    other = budgets.replace("100x", "90x")
    planned = plan(shapes / "recipe.yaml", cache=store, overrides=(other,))
    (why,) = [stage.why for stage in planned if not stage.hit]
    assert "limits[0].ratio: 100.0 -> 90.0" in why


@pytest.mark.slow
def test_int8_is_timed_at_every_batch_that_is_served(
    shapes: Path, store: Path, finished: RunResult, tmp_path: Path
) -> None:
    """The first decides, and the decision keeps what the others said."""
    served = ("decisions={precision: float32}", "bench={batch: [1, 4], epochs: 3}")
    done = run(shapes / "recipe.yaml", out=tmp_path / "to", cache=store, overrides=served)
    decision = next(one for one in done.report.decisions if one.question == "quantize")
    assert (decision.evidence["batch"], decision.evidence["threads"]) == (1, 1)
    assert [(one["batch"], one["threads"]) for one in decision.evidence["elsewhere"]] == [(4, 1)]


def test_predict_py_needs_onnxruntime_and_numpy_alone(finished: RunResult, tmp_path: Path) -> None:
    """The folder is copied away and run with the project's packages out of reach."""
    shutil.copytree(finished.folder, tmp_path / "deployed")
    with np.load(finished.folder / "predictions.npz", allow_pickle=False) as stored:
        predicted = stored["student"]
    sys.path.insert(0, str(PROJECTS / "shapes"))
    try:
        from project import data  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    images = data().test[0]
    np.save(tmp_path / "images.npy", images[:50])
    blocked = "for n in ('torch', 'onnx', 'compress', 'exporters'): sys.modules[n] = None\n"
    code = f"import sys\n{blocked}import runpy; runpy.run_path('predict.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "images.npy"), "--json"],
        cwd=tmp_path / "deployed",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    flat = json.loads(done.stdout)
    names = ("square", "cross", "stripes")
    assert [names.index(answer["class"]) for answer in flat] == predicted[:50].tolist()


def test_the_student_file_answers_any_batch(finished: RunResult) -> None:
    session = onnxruntime.InferenceSession(finished.folder / "student.onnx")
    for batch in (1, 2, 33):
        scores = session.run(None, {"images": np.zeros((batch, 1, 16, 16), np.float32)})[0]
        assert scores.shape == (batch, 3)


def test_a_folder_of_mixed_colour_images_goes_through(pictures_run: RunResult) -> None:
    folder_report = pictures_run.report
    assert folder_report.classes == ("bar", "disc", "noise")
    assert sum(map(sum, folder_report.class_counts.values())) == 180
    assert [quality.subject for quality in folder_report.qualities] == ["student"]
    assert folder_report.qualities[0].accuracy > 0.6
    assert {v.budget: v.status for v in folder_report.verdicts}["size"] == "pass"
