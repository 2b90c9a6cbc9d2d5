"""Jobs on the shapes project: what a training in a child process is told, and what it leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from compress.distill.job import JobSpec
from compress.recipe.nodes import Distill, PythonStudent, PythonTask

FOLDER = Path(__file__).parents[2] / "projects" / "shapes"


def spec(workdir: Path, *, student: str = "student", **distill: Any) -> JobSpec:
    settings = {
        "loss": "labels",
        "epochs": 2,
        "batch": 64,
        "learning_rate": 0.05,
        "average": 0.9,
        "checkpoint_every": "100ms",
        **distill,
    }
    workdir.mkdir(exist_ok=True)
    return JobSpec(
        mode="train",
        task=PythonTask(kind="python", target="project.py:data").model_dump(mode="json"),
        student=PythonStudent(kind="python", target=f"project.py:{student}").model_dump(
            mode="json"
        ),
        distill=Distill.model_validate(settings).model_dump(mode="json"),
        folder=str(FOLDER),
        cache=str(workdir / "cache"),
        data_folder=None,
        seed=0,
        threads=1,
        precision="float32",
        teacher_outputs=(),
        workdir=str(workdir),
        parent_pid=os.getpid(),
    )


def history(workdir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((workdir / "history.json").read_text())
    return found
