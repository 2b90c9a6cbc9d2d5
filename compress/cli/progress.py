"""Draws events: bars where standard error is a terminal, plain lines where it is not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from compress.cli.streams import printable, write_error
from exporters.events import Event

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PLAIN_INTERVAL_S = 10.0  # a CI log wants to see life, not every batch


class Drawing(Protocol):
    """Takes events until it is closed."""

    def __call__(self, event: Event) -> None: ...
    def close(self) -> None: ...


def choose_drawing(*, quiet: bool, verbose: bool) -> Drawing:
    """Nothing, bars or lines."""
    if quiet:
        return Silent()
    if sys.stderr.isatty():
        return Bars()
    return Lines(verbose=verbose)


class Silent:
    """Draws nothing."""

    def __call__(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass


class Lines:
    """A line per event that says something; progress every ten seconds, unless verbose."""

    def __init__(
        self, *, verbose: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._verbose = verbose
        self._clock = clock
        self._last_s = -_PLAIN_INTERVAL_S

    def __call__(self, event: Event) -> None:
        if event.kind == "progress":
            now = self._clock()
            due = now - self._last_s >= _PLAIN_INTERVAL_S
            if not self._verbose and not due:
                return
            self._last_s = now
        line = describe_event(event, verbose=self._verbose)
        if line:
            write_error(line)

    def close(self) -> None:
        pass


class Bars:
    """A bar per stage at work; finished and stored stages become lines above it."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        progress = self._progress or self._start()
        stage = printable(event.stage)
        if event.kind in {"start", "progress"}:
            task = self._tasks.get(stage)
            if task is None:
                task = self._tasks[stage] = progress.add_task(stage, total=None, message="")
            why = event.kind == "start" and "key" in event.data  # long, and what --plan is for
            progress.update(
                task,
                total=None if event.progress is None else 1.0,
                completed=event.progress,
                message="" if why else printable(event.message),
            )
            return
        if event.kind in {"done", "hit"} and stage in self._tasks:
            progress.remove_task(self._tasks.pop(stage))
        line = describe_event(event)
        if line:
            progress.console.print(line, markup=False, highlight=False, style="dim")

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _start(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[message]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._progress.start()
        return self._progress


def describe_event(event: Event, *, verbose: bool = False) -> str:
    """A line for people; empty where there is nothing to say."""
    parts = [event.message]
    match event.kind:
        case "done":
            seconds = event.data.get("seconds")
            if isinstance(seconds, int | float):
                parts = [f"done in {seconds:.1f} s"]
        case "progress" if event.progress is not None:
            parts.insert(0, f"{event.progress:.0%}")
        case "start":
            # Why a stage is no hit is long, and what --plan is for.
            told = event.message and (verbose or "key" not in event.data)
            parts = [f"starts ({event.message})" if told else "starts"]
    text = " ".join(part for part in parts if part)
    if not text:
        return ""
    return printable(f"{event.stage}: {text}" if event.stage else text)
