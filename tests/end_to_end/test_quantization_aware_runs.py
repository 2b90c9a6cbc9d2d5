"""`quantize: {kind: qat}` from recipe to run folder, and through a stop in its training."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from compress.errors import Interrupted, RecipeError
from compress.pipeline.run import RunResult, run
from compress.pipeline.verify import verify_run
from compress.recipe.load import load_recipe
from exporters.events import Event
from exporters.inspect import inspect_model

QAT = (
    "quantize={kind: qat, samples: 64, epochs: 3, batch: 16, max_drop: 10pp}",
    "controls={labels_only: true, teacher_quantized: true}",
)

pytestmark = pytest.mark.slow  # a training more than the other kinds


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def finished(shapes: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    out = tmp_path_factory.mktemp("out") / "run"
    return run(shapes / "recipe.yaml", out=out, cache=store, overrides=QAT)


def test_the_rounding_is_trained_and_shipped(finished: RunResult) -> None:
    stages = [stage.stage for stage in finished.report.stages]
    at = stages.index("quantize-start")
    assert stages[at : at + 4] == [
        "quantize-start",
        "quantize-train",
        "quantize",
        "choose-precision-to-ship",
    ]
    assert {"quantize-on-labels-train", "quantize-teacher"} <= set(stages)
    assert inspect_model(finished.folder / "student.onnx").precision == "int8"
    assert verify_run(finished.folder) == ()


def test_the_report_says_what_the_training_gave(finished: RunResult) -> None:
    (note,) = [n for n in finished.report.notes if n.startswith("Quantization-aware training")]
    assert "3 epochs" in note
    assert "within one step on 100.00" in note or "within one step on 99.9" in note
    steps = {step.stage: step for step in finished.report.sizes}
    assert steps["student int8"].size_bytes < steps["student float32"].size_bytes
    assert [step.stop for step in finished.report.ledger][-1] == "student, quantized"
    assert {cost.node for cost in finished.report.node_costs} >= {
        "features.3.weight",
        "head.weight",
    }


def test_a_stopped_training_goes_on_to_the_same_bytes(
    shapes: Path, store: Path, finished: RunResult, tmp_path: Path
) -> None:
    """With the training forgotten, all else is a hit."""
    cache = tmp_path / "cache"
    shutil.copytree(store, cache, ignore=shutil.ignore_patterns("work"))
    shutil.rmtree(cache / "index" / "quantize-train")

    def stop(event: Event) -> None:
        if event.stage == "quantize-train" and event.kind == "epoch":
            raise Interrupted("stopped by a test", signal_number=15)

    def again(on_event: Callable[[Event], None]) -> RunResult:
        return run(
            shapes / "recipe.yaml",
            out=tmp_path / "run",
            cache=cache,
            overrides=QAT,
            on_event=on_event,
        )

    with pytest.raises(Interrupted):
        again(stop)
    told: list[Event] = []
    resumed = again(told.append)
    assert [e.kind for e in told if e.stage == "quantize-train" and e.kind == "resumed"]
    weights = [
        {stage.stage: stage.outputs for stage in result.report.stages}["quantize-train"]
        for result in (finished, resumed)
    ]
    assert weights[0] == weights[1]
    assert (resumed.folder / "student.onnx").read_bytes() == (
        finished.folder / "student.onnx"
    ).read_bytes()


def test_texts_are_refused_before_anything_starts(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "schema: 1\nname: texts\ntask: {kind: text-table, data: rows.csv, tokenizer: t.json}\n"
        'student: {kind: python, target: "project.py:student"}\n'
        "distill: {loss: {kind: labels}}\nquantize: {kind: qat}\n"
    )
    with pytest.raises(
        RecipeError, match=r"recipe.yaml:6:\d+: quantize.kind: qat trains static.*kind: auto"
    ):
        load_recipe(recipe)
