"""A git history over a small model repository: 30 changes that should pass, 10 that should not."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import wild_data
from wild_networks import Network, to_onnx, train, worse, worse_class

GATE = """\
schema: 1
candidate: student.onnx
baseline: {model: student.onnx}
feeds: {task: recipe.yaml}
budgets:
  - {id: size, metric: file_bytes, vs: baseline, max_increase: 2%}
  - {id: latency, metric: latency.p50, on: cpu, batch: 1, vs: baseline, max_increase: 5%}
  - {id: accuracy, metric: accuracy, vs: baseline, max_drop: 1pp}
  - {id: classes, metric: accuracy, vs: baseline, per_slice: class, max_drop: 6pp}
"""
RECIPE = """\
schema: 1
name: wild
task: {kind: python, target: "data.py:data"}
student: {kind: python, target: "model.py:student"}
distill: {loss: labels}
"""
KINDS = {"docs": 8, "seed": 8, "rename": 7, "re-export": 7}  # that change nothing that matters


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit on top of what is on main then; a change that hurts is never merged."""

    number: int
    kind: str
    hurts: bool

    @property
    def branch(self) -> str:
        return f"change-{self.number:02d}"


def changes() -> tuple[Change, ...]:
    """All 40, in a fixed order that mixes them."""
    kinds = [(kind, False) for kind, count in KINDS.items() for _ in range(count)]
    kinds += [(kind, True) for kind in HURTS]
    random.Random(20).shuffle(kinds)
    return tuple(
        Change(number=number, kind=kind, hurts=hurts)
        for number, (kind, hurts) in enumerate(kinds, start=1)
    )


HURTS: dict[str, Callable[[Network], Network]] = {
    "slower operator": lambda n: replace(n, form="slow-relu"),
    "slower operator in 2 of 8 layers": lambda n: replace(n, form="slow-relu", spoiled=2),
    "lost fusion": lambda n: replace(n, form="split-norm"),
    "lost fusion in 3 of 8 layers": lambda n: replace(n, form="split-norm", spoiled=3),
    "bigger file, 32 %": lambda n: replace(n, ballast=50_000),
    "bigger file, 4 %": lambda n: replace(n, ballast=6_250),
    "2 pp worse": lambda n: worse(n, drop=0.02, seed=1),
    "2 pp worse, other noise": lambda n: worse(n, drop=0.02, seed=2),
    "class 3 worse by 15 pp": lambda n: worse_class(n, drop=0.15, label=3),
    "class 7 worse by 15 pp": lambda n: worse_class(n, drop=0.15, label=7),
}


def build(folder: Path, *, say: Callable[[str], None]) -> None:
    """The repository, once: a folder that holds it already is left alone."""
    done = folder / ".git" / "wild-is-complete"
    if done.exists():
        return
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "distil.gate.yaml").write_text(GATE)
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / ".gitignore").write_text(".distil/\n__pycache__/\n")
    shutil.copy(wild_data.__file__, folder / "data.py")
    network = train(0)
    _commit(folder, network, "first model", 0)
    for change in changes():
        say(f"commit {change.number}: {change.kind}")
        git(folder, "checkout", "-q", "-b", change.branch, "main")
        after = _after(folder, network, change)
        _commit(folder, after, change.kind, change.number)
        if not change.hurts:
            git(folder, "branch", "-q", "-f", "main", change.branch)
            network = after
    done.write_text("")


def _after(folder: Path, network: Network, change: Change) -> Network:
    if change.hurts:
        return HURTS[change.kind](network)
    match change.kind:
        case "docs":
            with (folder / "README.md").open("a") as stream:
                stream.write(f"Note {change.number}.\n")
            return network
        case "seed":
            return replace(train(change.number), layout=network.layout)
        case "rename":
            return replace(network, layout=change.number)
        case _:  # the same weights by another exporter
            return replace(
                network, layout=100 + change.number, producer=f"exporter {change.number}"
            )


def _commit(folder: Path, network: Network, message: str, number: int) -> None:
    (folder / "student.onnx").write_bytes(to_onnx(network).SerializeToString())
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message, day=number)


def git(folder: Path, *arguments: str, day: int = 0) -> str:
    """One git command with a fixed author and date."""
    date = f"2026-01-01T00:00:{day:02d}Z"
    environment = {
        **os.environ,
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_DATE": date,
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    identity = ["-c", "user.name=wild", "-c", "user.email=wild@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
