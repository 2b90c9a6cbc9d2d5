"""One stage by itself: what becomes of its files, its errors and its decision."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from compress.pipeline.decisions import DECISION_FILE, read_decision, write_decision
from compress.pipeline.graph import Inputs, OnEvent, Stage, StageResult, run_stages
from compress.store.store import open_store
from compress.values import Decision
from exporters.errors import DistilError, ExportError
from exporters.events import Event


def quiet(event: Event) -> None:
    pass


def raising(error: Exception | None = None) -> Any:
    def act(*_: object) -> Any:
        raise error or AssertionError

    return act


def run_one(root: Path, compute: Any) -> Any:
    stage = Stage(name="only", version=1, parts=lambda _: {}, compute=compute)
    with open_store(root) as store:
        return run_stages([stage], store=store, on_event=quiet)["only"]


def test_what_lies_outside_the_work_folder_is_copied_not_taken(tmp_path: Path) -> None:
    outside = tmp_path / "teacher.safetensors"
    outside.write_bytes(b"teacher")
    done = run_one(tmp_path, lambda *_: StageResult(files={"weights": outside}))
    assert outside.read_bytes() == b"teacher"
    assert done.files["weights"].read_bytes() == b"teacher"


def test_one_file_under_two_names_is_stored_once(tmp_path: Path) -> None:
    def compute(inputs: Inputs, folder: Path, on_event: OnEvent) -> StageResult:
        (folder / "a").write_bytes(b"a")
        return StageResult(files={"first": Path("a"), "second": folder / "a"})

    done = run_one(tmp_path, compute)
    assert done.files["first"] == done.files["second"]


def test_a_declared_file_that_was_not_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DistilError, match="stage only did not write its weights"):
        run_one(tmp_path, lambda *_: StageResult(files={"weights": Path("absent")}))


def test_an_error_of_ours_passes_through_unchanged(tmp_path: Path) -> None:
    error = ExportError("Foo has no ONNX form")
    with pytest.raises(ExportError) as caught:
        run_one(tmp_path, raising(error))
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("two\nlines"), "RuntimeError: two lines"),
        (KeyError(), "KeyError: no message"),
        (MemoryError(), "out of memory; lower the batch size"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk full: "),
    ],
)
def test_any_other_error_is_wrapped_once_with_stage_and_inputs(
    tmp_path: Path, error: Exception, says: str
) -> None:
    with pytest.raises(DistilError) as caught:
        run_one(tmp_path, raising(error))
    # sha256 of '{}': no inputs
    assert str(caught.value).startswith("stage only (inputs 44136fa355b3): ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error
    assert caught.value.exit_code == 4


def test_an_error_while_the_parts_are_gathered_is_wrapped_too(tmp_path: Path) -> None:
    stage = Stage(name="only", version=1, parts=raising(ZeroDivisionError("x")), compute=raising())
    with open_store(tmp_path) as store, pytest.raises(DistilError, match="ZeroDivisionError: x"):
        run_stages([stage], store=store, on_event=quiet)


def test_a_decision_is_stored_and_replayed_not_taken_again(tmp_path: Path) -> None:
    taken: list[Decision] = []

    def decide(inputs: Inputs, folder: Path, on_event: OnEvent) -> StageResult:
        decision = Decision(
            question="precision",
            chosen=("bfloat16", "float32")[len(taken) % 2],
            reason="a step takes 61 % of the time",
            evidence={"float32_ms": [4.1, 4.2], "bfloat16_ms": [2.5, 2.6]},
        )
        taken.append(decision)
        return StageResult(files={DECISION_FILE: write_decision(folder, decision)})

    for _ in range(2):
        done = run_one(tmp_path, decide)
        assert read_decision(done.files[DECISION_FILE]) == taken[0]
    assert len(taken) == 1
