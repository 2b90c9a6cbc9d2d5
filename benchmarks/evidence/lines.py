"""Results as JSON lines: a unit is a line, kept whole or not at all, skipped when it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exporters.atomic import write_text

Row = dict[str, Any]  # JSON


def read_lines(path: Path) -> list[Row]:
    """The units that are there."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def append_line(path: Path, line: Row) -> None:
    """One unit more; a kill leaves the file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    write_text(path, kept + json.dumps(line, separators=(",", ":")) + "\n")
