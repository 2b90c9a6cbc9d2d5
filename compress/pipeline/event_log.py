"""Keeps the events of a run, one JSON line each; a kill loses at most the line being written."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exporters.events import Event

LIVE_NAME = ".distil.events.jsonl"


class EventLog:
    """The live log of a run folder; it goes on where a stopped run of the same folder left it.

    Call it with an event. `publish` copies `path` as events.jsonl; `clear` then starts afresh.
    """

    def __init__(
        self, folder: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path = folder / LIVE_NAME
        self._clock = clock
        self._descriptor = os.open(
            self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
        )
        self._end_last_line()
        self._began = os.fstat(self._descriptor).st_size

    def __call__(self, event: Event) -> None:
        """Append one event, with the time in UTC. Numbers that JSON has not become text."""
        line = {
            "at": self._clock().isoformat(timespec="milliseconds"),
            "kind": event.kind,
            "stage": event.stage,
            "message": event.message,
            "progress": _plain(event.progress),
            "data": _plain(event.data),
        }
        self._write(json.dumps(line, allow_nan=False).encode("ascii") + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def forget(self) -> None:
        """Drop what this run has written: it was refused before anything started."""
        os.ftruncate(self._descriptor, self._began)
        self.close()
        if self._began == 0:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file; it stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def clear(self) -> None:
        """Remove the live log, once it has been published."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _end_last_line(self) -> None:
        """Cut off what a kill left of a line."""
        data = self.path.read_bytes()
        os.ftruncate(self._descriptor, data.rfind(b"\n") + 1)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


def read_events(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, in order; an unfinished last one is left out."""
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1] if line]


def _plain(value: Any) -> Any:  # Any: what an event's data may hold is open
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
