"""Training as a child process: several processes, signals, deaths, and errors that come home."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_jobs import FOLDER, history, spec

from compress.distill.launch import launch
from compress.errors import DistilError, Interrupted, TrainingDiverged
from compress.recipe.nodes import PythonTeacher
from exporters.events import Event
from exporters.weights import load_weights


@pytest.mark.slow  # two processes on two cores: 40 s
def test_two_processes_learn_as_one_does_at_the_same_global_batch(tmp_path: Path) -> None:
    launch(spec(tmp_path / "one"))
    launch(spec(tmp_path / "two"), processes=2)
    launch(spec(tmp_path / "parts", accumulate=2), processes=2)
    one, two = history(tmp_path / "one"), history(tmp_path / "two")
    parts = history(tmp_path / "parts")
    assert (one["processes"], two["processes"], parts["processes"]) == (1, 2, 2)
    for first, *others in zip(one["epochs"], two["epochs"], parts["epochs"], strict=True):
        # BatchNorm sees a part of the batch in each process, so the curves are close, not equal.
        for other in others:
            assert other["train_loss"] == pytest.approx(first["train_loss"], rel=0.15)
    assert load_weights(tmp_path / "two" / "weights.safetensors").keys() == (
        load_weights(tmp_path / "one" / "weights.safetensors").keys()
    )


@pytest.mark.slow  # two processes on two cores
@pytest.mark.parametrize("accumulate", [1, 3])
def test_two_processes_have_the_loss_curve_of_one(tmp_path: Path, accumulate: int) -> None:
    """Without BatchNorm nothing but the order of sums differs, in uneven parts too."""
    settings: dict[str, Any] = {"student": "plain", "batch": 65}
    launch(spec(tmp_path / "one", **settings))
    launch(spec(tmp_path / "two", accumulate=accumulate, **settings), processes=2)
    one, two = history(tmp_path / "one")["epochs"], history(tmp_path / "two")["epochs"]
    for first, second in zip(one, two, strict=True):
        for number in ("train_loss", "validation_loss", "validation_accuracy"):
            assert second[number] == pytest.approx(first[number], rel=1e-4)
    learnt = load_weights(tmp_path / "two" / "weights.safetensors")
    for name, value in load_weights(tmp_path / "one" / "weights.safetensors").items():
        torch.testing.assert_close(learnt[name], value, rtol=1e-3, atol=1e-5)


HINT = {"kind": "hint", "layers": [{"student": "inner", "teacher": "head"}], "weight": 1.0}
WARMED = {"kind": "sum", "terms": [{"loss": "labels"}, {"loss": HINT, "warmup": 0.5}]}


@pytest.mark.slow  # two processes on two cores
@pytest.mark.parametrize("loss", [HINT, WARMED], ids=["alone", "with warm-up"])
def test_two_processes_train_what_a_loss_leaves_out_in_a_step(
    tmp_path: Path, loss: dict[str, Any]
) -> None:
    """The head, where a hint teaches alone; its adapter, in the first step of a warm-up."""
    teacher = PythonTeacher(kind="python", target="project.py:teacher").model_dump(mode="json")
    settings: dict[str, Any] = {"student": "plain", "loss": loss, "weight_decay": 0.1}
    launch(replace(spec(tmp_path / "one", **settings), teacher=teacher))
    launch(replace(spec(tmp_path / "two", **settings), teacher=teacher), processes=2)
    one, two = (history(tmp_path / name)["epochs"] for name in ("one", "two"))
    assert [epoch["train_loss"] for epoch in two] == pytest.approx(
        [epoch["train_loss"] for epoch in one], rel=1e-4
    )


@pytest.mark.slow  # three trainings in two processes
def test_two_processes_with_dropout_go_on_to_the_weights_of_an_unbroken_run(
    tmp_path: Path,
) -> None:
    """Of uneven parts, so that the processes draw unlike numbers of masks."""
    settings: dict[str, Any] = {"student": "dropping", "batch": 65, "epochs": 30}
    launch(spec(tmp_path / "whole", **settings), processes=2)
    stopped = spec(tmp_path / "stopped", **settings)
    killer = threading.Thread(
        target=_signal_at_first_checkpoint, args=(tmp_path / "stopped", signal.SIGTERM)
    )
    killer.start()
    with pytest.raises(DistilError):
        launch(stopped, processes=2)
    killer.join()
    launch(replace(stopped, parent_pid=os.getpid()), processes=2)
    assert history(tmp_path / "stopped")["resumed_from_steps"]
    ours = load_weights(tmp_path / "stopped" / "weights.safetensors")
    theirs = load_weights(tmp_path / "whole" / "weights.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_events_arrive_under_the_name_of_the_stage(tmp_path: Path) -> None:
    seen: list[Event] = []
    launch(spec(tmp_path), stage="train-on-labels", on_event=seen.append)
    epochs = [event for event in seen if event.kind == "epoch"]
    assert [event.data["epoch"] for event in epochs] == [0, 1]
    assert {event.stage for event in seen} == {"train-on-labels"}
    assert epochs[-1].progress == 1.0


def test_a_diverged_training_raises_here_what_it_raised_there(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="at step 3 of 24"):
        launch(spec(tmp_path, student="exploding"))


def test_an_exception_of_the_users_module_names_their_line_and_the_log(tmp_path: Path) -> None:
    with pytest.raises(DistilError) as caught:
        launch(spec(tmp_path, student="failing"))
    line = 1 + (FOLDER / "project.py").read_text().splitlines().index(
        '            raise ValueError("no more\\nthan three steps")'
    )
    log = tmp_path / "job.log"
    assert str(caught.value) == (
        f"{FOLDER / 'project.py'}:{line}: ValueError: no more (in training); "
        f"the whole traceback is in {log}"
    )
    assert "than three steps" in log.read_text()


@pytest.mark.slow  # three trainings each; stops of whole runs are in tests/faults
@pytest.mark.parametrize(
    ("number", "error", "words"),
    [
        (signal.SIGTERM, Interrupted, "run the same command again"),
        (signal.SIGKILL, DistilError, "SIGKILL"),
    ],
)
def test_a_stopped_job_says_so_and_goes_on_to_the_same_weights(
    tmp_path: Path, number: signal.Signals, error: type[DistilError], words: str
) -> None:
    launch(spec(tmp_path / "whole", epochs=4))
    stopped = spec(tmp_path / "stopped", epochs=4)
    killer = threading.Thread(
        target=_signal_at_first_checkpoint, args=(tmp_path / "stopped", number)
    )
    killer.start()
    with pytest.raises(error, match=words):
        launch(stopped)
    killer.join()
    launch(replace(stopped, parent_pid=os.getpid()))
    ours = load_weights(tmp_path / "stopped" / "weights.safetensors")
    theirs = load_weights(tmp_path / "whole" / "weights.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert history(tmp_path / "stopped")["resumed_from_steps"]


def _signal_at_first_checkpoint(workdir: Path, number: signal.Signals) -> None:
    """Find the job by its spec path and signal it; gives up after three minutes."""
    deadline = time.monotonic() + 180
    while not list(workdir.glob("step-*.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.002)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(workdir / "spec.json").encode() in words:
            os.kill(int(process.name), number)
