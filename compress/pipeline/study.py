"""Where the study of a search lies, and how it is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from compress.errors import InputError
from compress.search.database import POSTGRESQL
from compress.store.keys import Json, canonical
from exporters.atomic import sha256_bytes

STUDY_FILE = "study.journal"
_WHERE = "search.study"


def study_place(named: str | None, *, folder: Path, work: Path) -> str:
    """A path or `postgresql://host/base`. named: one of both, or None for a file in the work
    folder. Raises InputError for what can't be one."""
    if named is None:
        return str(work / STUDY_FILE)
    if named.startswith(POSTGRESQL):
        if urlsplit(named).password is not None:
            cure = "put it into ~/.pgpass or PGPASSWORD"
            raise InputError("a password would be kept in every report", where=_WHERE, cure=cure)
        return named
    path = folder / named
    if "://" in named or path.is_dir() or not path.parent.is_dir():
        cure = f"name a file in a folder that is there, or {POSTGRESQL}host/base"
        raise InputError(f"{named} can be no study", where=_WHERE, cure=cure)
    return str(path.absolute())


def study_name(recipe: str, parts: Mapping[str, Json]) -> str:
    """Of a search: runs of the same recipe over the same data on the same kind of machine share
    it, and no others. parts: of the key of its stage."""
    return f"{recipe} {sha256_bytes(canonical(parts))[:12]}"
