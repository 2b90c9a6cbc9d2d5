"""kill -9 at any moment: the resumed run ends in the bytes of an unbroken one."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compress.store.store import open_store

ROOT = Path(__file__).parents[2]
SEED = 20_260


def command(recipe: Path, *, out: Path, cache: Path, overrides: tuple[str, ...] = ()) -> list[str]:
    sets = [part for override in overrides for part in ("--set", override)]
    return [
        *(sys.executable, "-P", "-m", "compress", "run", str(recipe), "--out", str(out)),
        *("--cache", str(cache), "--debug", *sets),
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def digests(out: Path, cache: Path) -> dict[str, str]:
    """Weights, ONNX files, and the teacher outputs in the store."""
    found = {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest()
        for name in ("student.safetensors", "student.onnx", "student.float32.onnx")
    }
    with open_store(cache) as store:
        for entry in store.index.entries():
            if entry.stage.startswith("teacher-outputs"):
                found[entry.stage] = entry.files["outputs.npy"]
    return found


def finish(recipe: Path, *, out: Path, cache: Path, overrides: tuple[str, ...] = ()) -> str:
    done = subprocess.run(
        command(recipe, out=out, cache=cache, overrides=overrides),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    return done.stdout + done.stderr


def kill_after(seconds: float, recipe: Path, *, out: Path, cache: Path) -> bool:
    """Whether the run was still at work when SIGKILL came."""
    child = subprocess.Popen(
        command(recipe, out=out, cache=cache),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        child.wait()
        return True
    return False


@pytest.mark.serial
def test_five_kills_at_random_moments_change_no_byte(shapes: Path, tmp_path: Path) -> None:
    recipe = shapes / "recipe.yaml"
    started = time.monotonic()
    finish(recipe, out=tmp_path / "whole", cache=tmp_path / "whole-cache")
    length = time.monotonic() - started
    chance = random.Random(SEED)
    out, cache = tmp_path / "killed", tmp_path / "killed-cache"
    kills = sum(
        kill_after(chance.uniform(0.15, 0.7) * length, recipe, out=out, cache=cache)
        for _ in range(5)
    )
    assert kills >= 2, "the run ended before it could be killed twice"
    finish(recipe, out=out, cache=cache)
    assert digests(out, cache) == digests(tmp_path / "whole", tmp_path / "whole-cache")


@pytest.mark.serial
def test_a_timed_decision_is_replayed_after_a_kill(shapes: Path, tmp_path: Path) -> None:
    recipe = shapes / "recipe.yaml"
    free = ("decisions={}",)
    out, cache = tmp_path / "out", tmp_path / "cache"
    child = subprocess.Popen(
        command(recipe, out=out, cache=cache, overrides=free),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (found := _decisions(cache)) and time.monotonic() < deadline:
        assert child.poll() is None, "the run ended before its first decision was seen"
        time.sleep(0.05)
    child.kill()
    child.wait()
    assert set(found) >= {"precision"}
    finish(recipe, out=out, cache=cache, overrides=free)
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
