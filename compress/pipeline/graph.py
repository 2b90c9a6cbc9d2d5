"""Runs a graph of stages: a hit, or one computation at a time per key, stored before it is used."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import SubprocessError

from compress.pipeline.interrupt import RESUME, interruptible
from compress.pipeline.stage import (
    Finished,
    Inputs,
    OnEvent,
    Planned,
    Stage,
    StageResult,
    check_graph,
    inputs_of,
    key_of,
    needed,
    why_hit,
)
from compress.store.index import Entry, Found
from compress.store.keys import StageKey, canonical, why_missed
from compress.store.store import Store
from compress.values import StageRecord
from exporters.atomic import sha256_bytes
from exporters.errors import DistilError, MachineFailed
from exporters.events import Event

__all__ = [
    "Finished",
    "Inputs",
    "OnEvent",
    "Planned",
    "Stage",
    "StageResult",
    "plan_stages",
    "run_stages",
]


def run_stages(
    stages: Sequence[Stage],
    *,
    store: Store,
    fresh: bool = False,
    kept: Collection[str] = (),
    on_event: OnEvent,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Finished]:
    """Finish every stage in order. fresh: compute all again, decisions included, from the start;
    kept: keys that this leaves alone, since they were computed just now.

    A DistilError of a stage passes through; anything else is wrapped once with the stage and the
    digest of its inputs. SIGINT and SIGTERM end in Interrupted; the same call then resumes.
    """
    check_graph(stages)
    cure = "run the same command again; --fresh starts over" if fresh else RESUME
    finished: dict[str, Finished] = {}
    for stage in stages:
        entries = {name: done.entry for name, done in finished.items()}
        with interruptible(f"stage {stage.name}", cure=cure):
            inputs = inputs_of(stage, entries, store)
            with _boundary(stage, inputs, store):
                key = key_of(stage, inputs)
                finished[stage.name] = _finish(
                    stage,
                    key,
                    inputs,
                    store,
                    fresh=fresh and key.digest not in kept,
                    on_event=on_event,
                    clock=clock,
                )
    return finished


def plan_stages(stages: Sequence[Stage], *, store: Store) -> tuple[Planned, ...]:
    """Say for each stage whether it is stored, and why not; computes nothing."""
    check_graph(stages)
    entries: dict[str, Entry] = {}
    planned: list[Planned] = []
    for stage in stages:
        missing = [name for name in needed(stage) if name not in entries]
        if missing:
            why = f"waits for {', '.join(missing)}"
            planned.append(Planned(stage=stage.name, key=None, hit=False, why=why))
            continue
        key = key_of(stage, inputs_of(stage, entries, store))
        found = store.index.find(key)
        if found.entry is not None:
            entries[stage.name] = found.entry
            why = why_hit(found.entry)
        else:
            why = why_missed(key, found, store.index)
        hit = found.entry is not None
        planned.append(Planned(stage=stage.name, key=key.digest, hit=hit, why=why))
    return tuple(planned)


def _finish(
    stage: Stage,
    key: StageKey,
    inputs: Inputs,
    store: Store,
    *,
    fresh: bool,
    on_event: OnEvent,
    clock: Callable[[], float],
) -> Finished:
    store.hold(key)
    began = clock()
    found = Found(entry=None) if fresh else store.index.find(key)
    entry = found.entry
    if entry is None:
        why = "--fresh" if fresh else why_missed(key, found, store.index)

        def tell(message: str) -> None:
            on_event(Event("wait", stage.name, f"{message}, who computes the same"))

        with store.index.lease(key, on_wait=tell):
            entry = None if fresh else store.index.get(key)  # made while we waited
            if entry is None:
                on_event(Event("start", stage.name, why, data={"key": key.digest}))
                if fresh:
                    store.clear_work(key)
                entry = _compute(stage, key, inputs, store, on_event=on_event, clock=clock)
                store.clear_work(key)
                return _done(entry, store, hit=False, why=why, on_event=on_event)
    on_event(Event("hit", stage.name, why_hit(entry), data={"key": key.digest}))
    return _done(entry, store, hit=True, why=why_hit(entry), seconds=clock() - began)


def _done(
    entry: Entry,
    store: Store,
    *,
    hit: bool,
    why: str,
    seconds: float | None = None,
    on_event: OnEvent | None = None,
) -> Finished:
    files = store.paths(entry)
    record = StageRecord(
        stage=entry.stage,
        key=entry.key,
        hit=hit,
        why=why,
        seconds=entry.seconds if seconds is None else seconds,
        outputs=dict(entry.files),
        size_bytes={name: path.stat().st_size for name, path in files.items()},
    )
    if on_event is not None:
        on_event(Event("done", entry.stage, why, 1.0, {"seconds": record.seconds}))
    return Finished(entry=entry, record=record, files=files)


def _compute(
    stage: Stage,
    key: StageKey,
    inputs: Inputs,
    store: Store,
    *,
    on_event: OnEvent,
    clock: Callable[[], float],
) -> Entry:
    folder = store.work(key)
    began = clock()
    folder.mkdir(parents=True, exist_ok=True)
    result = stage.compute(inputs, folder, on_event)
    return _adopt(stage, key, result, folder, store, seconds=clock() - began)


def _adopt(
    stage: Stage,
    key: StageKey,
    result: StageResult,
    folder: Path,
    store: Store,
    *,
    seconds: float,
) -> Entry:
    """Move the results into the store, the entry last."""
    inside = folder.resolve()
    with store.adopting():
        files: dict[str, str] = {}
        moved: dict[Path, str] = {}
        for name, path in result.files.items():
            source = (folder / path).resolve()
            if source not in moved:
                if not source.is_file():
                    raise DistilError(f"stage {stage.name} did not write its {name}: {source}")
                own = source.is_relative_to(inside)
                moved[source] = store.blobs.put_file(source, move=own)
            files[name] = moved[source]
        entry = Entry(
            key=key.digest,
            stage=stage.name,
            parts=key.parts,
            files=files,
            meta=result.meta,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(seconds, 3),
        )
        store.index.put(entry)
    return entry


@contextmanager
def _boundary(stage: Stage, inputs: Inputs, store: Store) -> Iterator[None]:
    """The one place where a foreign error becomes one of ours."""
    try:
        yield
    except DistilError:
        raise
    except Exception as exc:
        raise _wrapped(exc, stage, inputs, store.root) from exc


def _wrapped(exc: Exception, stage: Stage, inputs: Inputs, folder: Path) -> DistilError:
    digest = sha256_bytes(canonical(inputs.digests))[:12]
    where = f"stage {stage.name} (inputs {digest})"
    if isinstance(exc, MemoryError):
        return MachineFailed("out of memory", where=where, cure="lower the batch size")
    if isinstance(exc, OSError) and exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return MachineFailed(_disk_full(folder), where=where, cure="free some space and run again")
    said = str(exc) or "no message"
    # Whatever the system refuses is no fault of the network that a stage works on.
    of_machine = isinstance(exc, OSError | SubprocessError) or "allocate memory" in said
    kind = MachineFailed if of_machine else DistilError
    return kind(f"{type(exc).__name__}: {said}", where=where)


def _disk_full(folder: Path) -> str:
    try:
        return f"disk full: {shutil.disk_usage(folder).free:,} bytes are left in {folder}"
    except OSError:
        return "disk full"
