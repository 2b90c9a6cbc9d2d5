"""Runs stopped from outside end as documented, and go on to the bytes of an unbroken one."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
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

    def start(self) -> Started:
        arguments = self.good.arguments("--cache", self.cache, out=self.out)
        return self.server.start(*arguments, cwd=self.good.cwd)

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
