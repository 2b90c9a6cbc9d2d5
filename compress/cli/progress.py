"""Draws events: bars where standard error is a terminal, plain lines where it is not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from compress.cli.streams import printable, write_error
from exporters.events import Event

if TYPE_CHECKING:
    from rich.console import Console
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
    """The stage at work and what it is doing; finished and stored stages become lines above."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        progress = self._progress or self._start()
        stage = printable(event.stage)
        keyed = "key" in event.data  # stages have keys, and run one after the other
        if event.kind in {"done", "hit"} or (event.kind == "start" and keyed):
            self._clear(progress)
        if event.kind in {"start", "progress"}:
            task = self._tasks.get(stage)
            if task is None:
                task = self._tasks[stage] = progress.add_task(stage, total=None, message="")
            why = event.kind == "start" and keyed  # long, and what --plan is for
            progress.update(
                task,
                total=None if event.progress is None else 1.0,
                completed=event.progress,
                message="" if why else printable(event.message),
            )
            return
        if event.progress is not None and stage in self._tasks:  # a step or an epoch of training
            progress.update(self._tasks[stage], total=1.0, completed=event.progress)
        line = describe_event(event)
        if line:
            progress.console.print(line, markup=False, highlight=False, style="dim")

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _clear(self, progress: Progress) -> None:
        for task in self._tasks.values():
            progress.remove_task(task)
        self._tasks.clear()

    def _start(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[message]}", markup=False),
            TimeElapsedColumn(),
            console=self._console or Console(stderr=True),
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
