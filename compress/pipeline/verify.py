"""Re-checks a finished run, offline: every file against the manifest. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compress.pipeline.manifest import MANIFEST_NAME, BadManifest, FileRecord, load_manifest
from compress.pipeline.publish import interrupted_publication
from exporters.atomic import sha256_file
from exporters.errors import InputError

_OURS = (".distil.",)  # locks, journals, live logs: beside a run, no part of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as the manifest says. name: relative to the run folder."""

    name: str
    kind: Literal["missing", "changed", "unlisted", "interrupted"]
    message: str


def verify_run(folder: str | os.PathLike[str]) -> tuple[Problem, ...]:
    """Every problem of a run folder; () when it is whole. InputError when it is no finished run."""
    root = Path(folder)
    if not root.is_dir():
        raise InputError("is no folder", where=str(root), cure="name the folder of a finished run")
    problems: list[Problem] = []
    if interrupted_publication(root):
        message = "a run was stopped while it wrote its files; run the same command again"
        problems.append(Problem(name=".", kind="interrupted", message=message))
    try:
        listed = load_manifest(root).files
    except BadManifest as exc:
        problems.append(Problem(name=MANIFEST_NAME, kind="changed", message=exc.what))
        return tuple(problems)
    for name, record in sorted(listed.items()):
        problem = _check(root, name, record)
        if problem is not None:
            problems.append(problem)
    problems += [
        Problem(name=name, kind="unlisted", message="is not in the manifest")
        for name in _present(root)
        if name not in listed
    ]
    return tuple(problems)


def _check(root: Path, name: str, record: FileRecord) -> Problem | None:
    path = root / name
    if any(part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(root)):
        return Problem(name=name, kind="changed", message="is a link; a run holds plain files")
    if not path.is_file():
        return Problem(name=name, kind="missing", message="is listed and not there")
    size_bytes = path.stat().st_size
    if size_bytes != record.size_bytes:
        message = f"has {size_bytes:,} bytes, {record.size_bytes:,} are listed"
        return Problem(name=name, kind="changed", message=message)
    if sha256_file(path) != record.sha256:
        return Problem(name=name, kind="changed", message="has other bytes than are listed")
    return None


def _present(root: Path) -> list[str]:
    """Relative POSIX names of everything that is no folder, ours and the manifest left out."""
    found: list[str] = []
    for where, folders, names in os.walk(root):
        here = Path(where)
        folders[:] = [
            name
            for name in folders
            # __pycache__: `from predict import predict` makes it
            if name != "__pycache__" and not (here == root and name.startswith(_OURS))
        ]
        links = [name for name in folders if (here / name).is_symlink()]
        found += [(here / name).relative_to(root).as_posix() for name in (*names, *links)]
    return sorted(name for name in found if name != MANIFEST_NAME and not _ours(name))


def _ours(name: str) -> bool:
    last = name.rpartition("/")[2]
    unfinished = last.startswith(".") and last.endswith(".tmp")  # of a writer that was killed
    return unfinished or name.startswith(_OURS)
