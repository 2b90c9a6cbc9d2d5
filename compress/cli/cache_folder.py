"""Where results are stored: the only reading of the environment for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from compress.errors import InputError


def cache_folder(given: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """--cache, else $DISTIL_CACHE, else the user's cache folder, else .distil here (no home)."""
    if given is not None:
        return _absolute(given, "--cache")
    named = environ.get("DISTIL_CACHE", "")
    if named:
        return _absolute(Path(named), "DISTIL_CACHE")
    if not (environ.get("HOME") or environ.get("XDG_CACHE_HOME")):
        return Path.cwd() / ".distil"
    import platformdirs

    return platformdirs.user_cache_path("distil").absolute()


def _absolute(path: Path, source: str) -> Path:
    if path.exists() and not path.is_dir():
        raise InputError("is not a folder", where=f"{source} {path}", cure="name a folder")
    return path.absolute()
