"""What a long function tells its caller: the command line draws it, a log keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """kind: "start", "progress", "done", ...; progress: a fraction in [0, 1], None if unknown."""

    kind: str
    stage: str
    message: str = ""
    progress: float | None = None
    data: dict[str, Any] = field(default_factory=dict)
