from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from compress.pipeline.graph import (
    Inputs,
    OnEvent,
    Stage,
    StageResult,
    plan_stages,
    run_stages,
)
from compress.store.store import open_store
from exporters.errors import DistilError
from exporters.events import Event


def quiet(event: Event) -> None:
    pass


class Pipeline:
    """train -> export -> measure. Weights depend on parity of epochs alone: 10 and 12 are equal."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[str] = []
        self.events: list[Event] = []

    def stages(self, *, epochs: int = 10, needs: str = "train/weights") -> list[Stage]:
        def train(inputs: Inputs, folder: Path, on_event: OnEvent) -> StageResult:
            self.calls.append("train")
            on_event(Event("progress", "train", progress=0.5))
            (folder / "weights").write_bytes(b"even" if epochs % 2 == 0 else b"odd")
            (folder / "history.json").write_text(json.dumps({"epochs": epochs}))
            return StageResult(
                files={"weights": Path("weights"), "history": folder / "history.json"},
                meta={"epochs": epochs},
            )

        def export(inputs: Inputs, folder: Path, on_event: OnEvent) -> StageResult:
            self.calls.append("export")
            source = inputs.path("train", "weights").read_bytes()
            (folder / "student.onnx").write_bytes(b"onnx of " + source)
            return StageResult(files={"model": folder / "student.onnx"})

        def measure(inputs: Inputs, folder: Path, on_event: OnEvent) -> StageResult:
            self.calls.append("measure")
            (folder / "size").write_text(str(inputs.path("export", "model").stat().st_size))
            return StageResult(files={"size": folder / "size"})

        return [
            Stage(
                name="train",
                version=1,
                parts=lambda _: {"recipe": {"distill": {"epochs": epochs}}},
                compute=train,
            ),
            Stage(name="export", version=1, parts=lambda _: {}, compute=export, needs=(needs,)),
            Stage(
                name="measure",
                version=1,
                parts=lambda _: {"cpu": "x"},
                compute=measure,
                needs=("export",),
            ),
        ]

    def run(self, *, fresh: bool = False, **settings: Any) -> dict[str, Any]:
        with open_store(self.root) as store:
            return run_stages(
                self.stages(**settings), store=store, fresh=fresh, on_event=self.events.append
            )

    def plan(self, **settings: Any) -> list[tuple[str, bool, str]]:
        with open_store(self.root) as store:
            planned = plan_stages(self.stages(**settings), store=store)
        return [(item.stage, item.hit, item.why) for item in planned]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def test_the_second_run_is_all_hits_with_the_same_files(pipeline: Pipeline) -> None:
    first, second = pipeline.run(), pipeline.run()
    assert pipeline.calls == ["train", "export", "measure"]
    assert [done.record.hit for done in second.values()] == [True, True, True]
    assert [done.record.why for done in first.values()] == ["first run"] * 3
    for name, done in first.items():
        assert second[name].record.outputs == done.record.outputs
        assert second[name].files == done.files
    assert second["export"].files["model"].read_bytes() == b"onnx of even"
    assert second["export"].record.size_bytes == {"model": 12}
    assert second["train"].json("history") == {"epochs": 10}
    assert second["train"].entry.meta == {"epochs": 10}
    assert second["train"].record.why == f"stored on {first['train'].entry.created_at[:10]}"


def test_events_say_start_progress_and_done_and_then_hit(pipeline: Pipeline) -> None:
    pipeline.run()
    kinds = [(event.kind, event.stage) for event in pipeline.events]
    assert kinds[:3] == [("start", "train"), ("progress", "train"), ("done", "train")]
    pipeline.events.clear()
    pipeline.run()
    assert [event.kind for event in pipeline.events] == ["hit"] * 3


def test_the_same_bytes_upstream_leave_what_is_behind_them_a_hit(pipeline: Pipeline) -> None:
    pipeline.run(epochs=10)
    done = pipeline.run(epochs=12)
    assert pipeline.calls == ["train", "export", "measure", "train"]
    assert done["train"].record.why == "recipe.distill.epochs: 10 -> 12"
    assert done["export"].record.hit


def test_a_stage_that_needs_all_files_follows_each_of_them(pipeline: Pipeline) -> None:
    pipeline.run(epochs=10, needs="train")
    done = pipeline.run(epochs=12, needs="train")
    assert pipeline.calls[3:] == ["train", "export"]  # history.json differs, the model does not
    assert done["export"].record.why.startswith("inputs.train.history: ")
    assert done["measure"].record.hit


def test_a_plan_computes_nothing_and_gives_the_reasons(pipeline: Pipeline) -> None:
    assert pipeline.plan() == [
        ("train", False, "first run"),
        ("export", False, "waits for train"),
        ("measure", False, "waits for export"),
    ]
    pipeline.run()
    assert [hit for _, hit, _ in pipeline.plan()] == [True, True, True]
    assert pipeline.plan(epochs=11)[:2] == [
        ("train", False, "recipe.distill.epochs: 10 -> 11"),
        ("export", False, "waits for train"),
    ]
    assert pipeline.calls == ["train", "export", "measure"]


def test_a_damaged_result_is_planned_and_computed_again(pipeline: Pipeline) -> None:
    path = pipeline.run()["export"].files["model"]
    path.chmod(0o644)
    path.write_bytes(b"onnx of evil")
    assert "was damaged" in pipeline.plan()[1][2]
    done = pipeline.run()
    assert pipeline.calls[3:] == ["export"]
    assert done["export"].files["model"].read_bytes() == b"onnx of even"


def test_fresh_computes_everything_again_from_empty_work_folders(pipeline: Pipeline) -> None:
    pipeline.run()
    done = pipeline.run(fresh=True)
    assert pipeline.calls == ["train", "export", "measure"] * 2
    assert [item.record.why for item in done.values()] == ["--fresh"] * 3


def test_a_new_stage_version_is_a_miss(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.run()
    stages = pipeline.stages()
    stages[0] = Stage(**{**as_fields(stages[0]), "version": 2})
    with open_store(tmp_path) as store:
        assert plan_stages(stages, store=store)[0].why == "version: 1 -> 2"


def test_work_folders_are_gone_after_success(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.run()
    assert list((tmp_path / "work").iterdir()) == []


def test_a_failed_stage_keeps_what_came_before_and_its_own_work_folder(
    tmp_path: Path, pipeline: Pipeline
) -> None:
    def half(inputs: Inputs, folder: Path, on_event: OnEvent) -> StageResult:
        (folder / "last.ckpt").write_bytes(b"7")
        raise RuntimeError("stop")

    stages = pipeline.stages()
    broken = Stage(**{**as_fields(stages[1]), "compute": half})
    with open_store(tmp_path) as store, pytest.raises(DistilError):
        run_stages([stages[0], broken], store=store, on_event=quiet)
    assert [path.name for path in (tmp_path / "work").rglob("*.ckpt")] == ["last.ckpt"]
    pipeline.run()
    assert pipeline.calls == ["train", "export", "measure"]


def test_a_stage_reaches_no_file_that_it_does_not_need(pipeline: Pipeline, tmp_path: Path) -> None:
    def peek(inputs: Inputs, folder: Path, on_event: OnEvent) -> StageResult:
        inputs.path("train", "history")
        raise AssertionError

    stages = pipeline.stages()
    stages[1] = Stage(**{**as_fields(stages[1]), "compute": peek})
    with (
        open_store(tmp_path) as store,
        pytest.raises(DistilError, match=r"train/history is not among.*\['train/weights'\]"),
    ):
        run_stages(stages, store=store, on_event=quiet)


def test_a_graph_that_cannot_be_run_is_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    stages = pipeline.stages()
    with open_store(tmp_path) as store:
        for wrong in (stages[1:], [stages[0], stages[0]]):
            with pytest.raises(ValueError, match=r"no earlier stage makes|used twice"):
                plan_stages(wrong, store=store)
        odd = Stage(**{**as_fields(stages[0]), "parts": lambda _: {"version": 2}})
        with pytest.raises(ValueError, match=r"sets the parts \['version'\]"):
            plan_stages([odd], store=store)


def as_fields(stage: Stage) -> Mapping[str, Any]:
    return {name: getattr(stage, name) for name in ("name", "version", "parts", "compute", "needs")}
