"""Files that a recipe names: beside it, or `package:path` inside an installed package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from compress.errors import InputError


def named_file(text: str, *, folder: Path, where: str) -> Path:
    """The file; no package is imported. InputError, at the key path `where`, when it is absent."""
    package, colon, inside = text.partition(":")
    if not colon or len(package) < 2 or not package.isidentifier():  # C:\ is a drive
        path = folder / text
        if not path.is_file():
            raise InputError(f"there is no file {path}", where=where, cure="check the path")
        return path
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"the package {package} is not installed",
            where=where,
            cure=f"pip install --no-deps {package.replace('_', '-')}",
        )
    for root in map(Path, spec.submodule_search_locations):
        path = (root / inside).resolve()
        if path.is_relative_to(root.resolve()) and path.is_file():
            return path
    raise InputError(f"the package {package} holds no file {inside}", where=where)
