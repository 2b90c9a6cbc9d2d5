"""What a stage is: its needs, the parts of its key, its computation; and what is known of it.

A key holds the stage's version, its parts and the digests of the files that it needs. So a stage
that is computed again and gives the same bytes leaves everything behind it a hit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from compress.store.index import Entry
from compress.store.keys import Json, StageKey
from compress.store.store import Store
from compress.values import StageRecord
from exporters.events import Event

OnEvent = Callable[[Event], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The files of the stages that a stage needs, by stage and name; nothing else is in reach."""

    files: Mapping[str, Mapping[str, Path]]
    digests: Mapping[str, Mapping[str, str]]

    def path(self, stage: str, name: str) -> Path:
        """A verified, read-only file. LookupError names what is missing in `needs`."""
        return _reach(self.files, stage, name)

    def digest(self, stage: str, name: str) -> str:
        """Its SHA-256."""
        return _reach(self.digests, stage, name)

    def json(self, stage: str, name: str) -> Any:
        """Its content, for a JSON file."""
        return json.loads(self.path(stage, name).read_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What compute made. files: name -> path, moved into the store where it is in the work folder.

    meta is for reports alone: it is in no key and no other stage sees it, so times belong there.
    """

    files: Mapping[str, Path]
    meta: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """needs: "stage" for all its files, "stage/file" for one (the rest may then change freely).

    parts: what else the result depends on: its part of the recipe, library versions, the seed, and
    the machine where speed decides. compute(inputs, work folder, on_event): the folder is the same
    after a kill and removed after success.
    """

    name: str
    version: int
    parts: Callable[[Inputs], Mapping[str, Json]]
    compute: Callable[[Inputs, Path, OnEvent], StageResult]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A stage that is done. files: verified paths in the store, kept until the store is closed."""

    entry: Entry
    record: StageRecord
    files: Mapping[str, Path]

    def json(self, name: str) -> Any:
        """The content of a JSON file."""
        return json.loads(self.files[name].read_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a run would do with a stage. key is None where it waits for an earlier one."""

    stage: str
    key: str | None
    hit: bool
    why: str


def check_graph(stages: Sequence[Stage]) -> None:
    """ValueError on a name used twice and on a need that no earlier stage meets."""
    seen: set[str] = set()
    for stage in stages:
        if stage.name in seen or "/" in stage.name:
            raise ValueError(f"stage {stage.name!r}: the name is used twice or holds a '/'")
        if absent := [name for name in needed(stage) if name not in seen]:
            raise ValueError(f"stage {stage.name!r} needs {absent}, which no earlier stage makes")
        seen.add(stage.name)


def needed(stage: Stage) -> tuple[str, ...]:
    """The stages that a stage needs, each once."""
    return tuple(dict.fromkeys(need.partition("/")[0] for need in stage.needs))


def inputs_of(stage: Stage, entries: Mapping[str, Entry], store: Store) -> Inputs:
    """The files that stage.needs names. ValueError for one that its stage did not make."""
    digests: dict[str, dict[str, str]] = {}
    for need in stage.needs:
        source, _, name = need.partition("/")
        made = entries[source].files
        if name and name not in made:
            raise ValueError(f"stage {stage.name!r} needs {need!r}; {source} makes {sorted(made)}")
        digests.setdefault(source, {}).update({name: made[name]} if name else made)
    files = {
        source: {name: store.blobs.path(digest) for name, digest in named.items()}
        for source, named in digests.items()
    }
    return Inputs(files=files, digests=digests)


def key_of(stage: Stage, inputs: Inputs) -> StageKey:
    """The content key of a stage over its inputs."""
    parts = stage.parts(inputs)
    if taken := parts.keys() & {"version", "inputs"}:
        raise ValueError(f"stage {stage.name!r}: the engine itself sets the parts {sorted(taken)}")
    return StageKey(stage.name, {"version": stage.version, "inputs": inputs.digests, **parts})


def why_hit(entry: Entry) -> str:
    """'stored on 2026-11-24'."""
    return f"stored on {entry.created_at[:10]}"


def _reach(table: Mapping[str, Mapping[str, T]], stage: str, name: str) -> T:
    try:
        return table[stage][name]
    except KeyError:
        have = sorted(f"{source}/{item}" for source, named in table.items() for item in named)
        raise LookupError(f"{stage}/{name} is not among the stage's needs: {have}") from None
