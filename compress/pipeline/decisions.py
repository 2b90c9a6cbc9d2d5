"""A decision as a stage's output: stored before it is used, so that a resumed run replays it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compress.values import Decision
from exporters.atomic import write_json

DECISION_FILE = "decision.json"  # the name that a deciding stage gives its one output


def write_decision(folder: Path, decision: Decision) -> Path:
    """Write a decision into a work folder; the path to hand to StageResult."""
    path = folder / DECISION_FILE
    write_json(path, asdict(decision))
    return path


def read_decision(path: Path) -> Decision:
    """The decision as it was made."""
    value: dict[str, Any] = json.loads(path.read_bytes())
    return Decision(**value)
