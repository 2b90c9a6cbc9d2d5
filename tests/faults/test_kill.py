"""kill -9 at any moment: the resumed run ends in the bytes of an unbroken one."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from fault_commands import Server, Started

from compress.pipeline.stages.teacher import OUTPUTS_FILE
from compress.store.store import open_store

SEED = 20_260


def arguments(
    recipe: Path, *, out: Path, cache: Path, overrides: tuple[str, ...] = ()
) -> list[str | Path]:
    sets = [part for override in overrides for part in ("--set", override)]
    return ["run", recipe, "--out", out, "--cache", cache, "--debug", *sets]


def digests(out: Path, cache: Path) -> dict[str, str]:
    """Weights, ONNX files, and the teacher outputs in the store."""
    found = {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest()
        for name in ("student.safetensors", "student.onnx", "student.float32.onnx")
    }
    with open_store(cache) as store:
        for entry in store.index.entries():
            if entry.stage.startswith("teacher-outputs"):
                found[entry.stage] = entry.files[OUTPUTS_FILE]
    return found


def finish(
    server: Server, recipe: Path, *, out: Path, cache: Path, overrides: tuple[str, ...] = ()
) -> None:
    command = arguments(recipe, out=out, cache=cache, overrides=overrides)
    ended = server.run(*command, cwd=recipe.parent)
    assert ended.code in (0, 1, 3), ended.err


def is_over(run: Started) -> bool:
    return psutil.Process(run.pid).status() == psutil.STATUS_ZOMBIE


def work(run: Started) -> float:
    """CPU seconds of a command and what it started: a wait for another process adds nothing."""
    command = psutil.Process(run.pid)
    seconds = 0.0
    for process in (command, *command.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def kill_after(seconds: float, server: Server, recipe: Path, *, out: Path, cache: Path) -> bool:
    """Whether the run was still at work when SIGKILL came, after that many CPU seconds of it."""
    run = server.start(*arguments(recipe, out=out, cache=cache), cwd=recipe.parent)
    while (at_work := not is_over(run)) and work(run) < seconds:
        time.sleep(0.02)
    if at_work:
        os.kill(run.pid, signal.SIGKILL)
    run.wait()
    return at_work


@pytest.mark.serial
def test_five_kills_at_random_moments_change_no_byte(
    shapes: Path, server: Server, tmp_path: Path
) -> None:
    recipe = shapes / "recipe.yaml"
    whole, whole_cache = tmp_path / "whole", tmp_path / "whole-cache"
    run = server.start(*arguments(recipe, out=whole, cache=whole_cache), cwd=recipe.parent)
    while not is_over(run):
        time.sleep(0.02)
    length = work(run)
    assert run.wait().code in (0, 1, 3)
    chance = random.Random(SEED)
    out, cache = tmp_path / "killed", tmp_path / "killed-cache"
    kills = [
        kill_after(chance.uniform(0.05, 0.25) * length, server, recipe, out=out, cache=cache)
        for _ in range(5)
    ]
    assert kills == [True] * 5, "the run ended before it could be killed five times"
    finish(server, recipe, out=out, cache=cache)
    assert digests(out, cache) == digests(whole, whole_cache)


@pytest.mark.serial
def test_a_timed_decision_is_replayed_after_a_kill(
    shapes: Path, server: Server, tmp_path: Path
) -> None:
    recipe = shapes / "recipe.yaml"
    free = ("decisions={}",)
    out, cache = tmp_path / "out", tmp_path / "cache"
    run = server.start(*arguments(recipe, out=out, cache=cache, overrides=free), cwd=recipe.parent)
    deadline = time.monotonic() + 120
    while not (found := _decisions(cache)) and time.monotonic() < deadline:
        assert not is_over(run), "the run ended before its first decision was seen"
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert set(found) >= {"precision"}
    finish(server, recipe, out=out, cache=cache, overrides=free)
    after = _decisions(cache)
    assert after["precision"] == found["precision"]
    stages = json.loads((out / "report.json").read_text())["stages"]
    assert [stage["hit"] for stage in stages if stage["stage"] == "precision"] == [True]


def _decisions(cache: Path) -> dict[str, tuple[str, str]]:
    """Stage -> (digest of the decision, when it was stored)."""
    if not (cache / "index").is_dir():
        return {}
    with open_store(cache) as store:
        return {
            entry.stage: (entry.files["decision.json"], entry.created_at)
            for entry in store.index.entries()
            if "decision.json" in entry.files
        }
