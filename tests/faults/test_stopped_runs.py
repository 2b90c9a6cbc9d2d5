"""Runs stopped from outside end as documented, and go on to the bytes of an unbroken one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from fault_commands import Ended, Server, Started
from finished_run import Good

PATIENCE_S = 120


def _until(found: Callable[[], bool], run: Started) -> None:
    """Wait for something of a run; the run ends first only where a test is wrong."""
    deadline = time.monotonic() + PATIENCE_S
    while not found():
        assert time.monotonic() < deadline, run.err.read_text()
        assert psutil.Process(run.pid).status() != psutil.STATUS_ZOMBIE, run.err.read_text()
        time.sleep(0.01)


def _checkpoints(cache: Path) -> set[Path]:
    return set((cache / "work").glob("*/step-*.ckpt"))


class Project:
    """The finished project with its training forgotten, in a cache of its own."""

    def __init__(self, good: Good, folder: Path, server: Server) -> None:
        self.good, self.server = good, server
        self.out, self.cache = folder / "out", folder / "cache"
        shutil.copytree(good.out, self.out)
        shutil.copytree(good.cache, self.cache, ignore=shutil.ignore_patterns("work"))
        shutil.rmtree(self.cache / "index" / "train")

    def start(self, *more: str | Path, grace_s: float | None = None) -> Started:
        arguments = self.good.arguments("--cache", self.cache, *more, out=self.out)
        return self.server.start(*arguments, cwd=self.good.cwd, grace_s=grace_s)

    def training(self) -> Started:
        """A run that has written a checkpoint since it was started."""
        before = _checkpoints(self.cache)
        run = self.start()
        _until(lambda: bool(_checkpoints(self.cache) - before), run)
        return run

    def job(self, run: Started) -> psutil.Process:
        """The process that trains."""
        return psutil.Process(run.pid).children()[0]

    def assert_untouched(self) -> None:
        """The earlier run is as it was."""
        assert self.good.digests(self.out) == self.good.digests()


def test_stops_of_every_kind_cost_nothing_but_time(
    good: Good, server: Server, tmp_path: Path
) -> None:
    project = Project(good, tmp_path, server)

    run = project.training()
    second = project.start().wait()
    second.assert_error(2, f"in use by process {run.pid}", "another folder with --out")
    project.job(run).kill()
    run.wait().assert_error(4, "ended with SIGKILL", "memory", "run the same command again")
    project.assert_untouched()

    run = project.training()
    job = project.job(run)
    os.kill(run.pid, signal.SIGTERM)
    run.wait().assert_error(143, "stopped in stage train; run the same command again to resume")
    assert not job.is_running()
    project.assert_untouched()

    run = project.training()
    job = project.job(run)
    os.kill(run.pid, signal.SIGINT)
    os.kill(run.pid, signal.SIGINT)
    ended = run.wait()
    assert ended.code == 130
    assert len(ended.err) <= 1, ended.err
    assert list(project.out.glob(".*.holder")) == []
    project.assert_untouched()
    job.wait(PATIENCE_S)

    last: Ended = project.start().wait()
    assert (last.code, last.err) == (0, [])
    ours, theirs = good.digests(project.out), good.digests()
    for name in ("student.safetensors", "student.onnx"):
        assert ours[name] == theirs[name]
    assert sorted(path.name for path in project.out.glob(".*")) == [".distil.lock"]


# The network of slow.py; a step lasts for as long as a file is there.
STUCK = """
import time
from pathlib import Path
from slow import Slow

HOLD = Path(__file__).with_name("hold")

class Stuck(Slow):
    def forward(self, images):
        while self.training and HOLD.exists():
            HOLD.with_name("held").touch()
            time.sleep(0.01)
        return super().forward(images)

def student():
    return Stuck(8)
"""


@pytest.mark.slow  # a minute of trainings
def test_a_step_that_outlasts_the_grace_is_killed_and_costs_what_came_after_its_checkpoint(
    good: Good, server: Server, tmp_path: Path
) -> None:
    project = Project(good, tmp_path, server)
    (good.project / "stuck.py").write_text(STUCK)
    hold, held = good.project / "hold", good.project / "held"
    student = ("--set", "student.target=stuck.py:student")

    run = project.start(*student, grace_s=0.5)
    _until(lambda: bool(_checkpoints(project.cache)), run)
    hold.touch()
    _until(held.exists, run)
    job, kept = project.job(run), _checkpoints(project.cache)
    os.kill(run.pid, signal.SIGTERM)
    run.wait().assert_error(143, "stopped in stage train; run the same command again to resume")
    assert not job.is_running()
    assert _checkpoints(project.cache) == kept != set()
    project.assert_untouched()

    hold.unlink()
    run = project.start(*student)
    _until(lambda: bool(_trained(project.cache)), run)
    os.kill(run.pid, signal.SIGTERM)  # what comes after the training is of no interest
    run.wait()
    (resumed,), (whole,) = _trained(project.cache), _trained(good.cache)
    newest = max(int(path.stem.split("-")[1]) for path in kept)
    assert resumed["meta"]["history"]["resumed_from_steps"] == [newest]
    assert resumed["files"]["weights.safetensors"] == whole["files"]["weights.safetensors"]


def _trained(cache: Path) -> list[dict[str, Any]]:
    """What is stored of trainings."""
    entries = (cache / "index" / "train").glob("*.json")
    return [json.loads(path.read_text().splitlines()[0]) for path in entries]
