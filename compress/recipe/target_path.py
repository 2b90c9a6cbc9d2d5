"""What a target's text names."""

from __future__ import annotations

from pathlib import Path

from compress.errors import InputError


def split_target(target: str) -> tuple[str, str]:
    """('model.py', 'teacher'). Raises InputError unless it is `file.py:name` or `pkg.mod:name`."""
    location, colon, attribute = target.rpartition(":")
    names = attribute.split(".")
    if not colon or not location or not all(name.isidentifier() for name in names):
        cure = "write `model.py:function` or `package.module:function`"
        raise InputError(f"the target {target[:100]!r} names no function", cure=cure)
    return location, attribute


def target_file(location: str, folder: Path) -> Path:
    """The absolute path of a `.py` target, relative to the recipe's folder. InputError."""
    path = Path(folder).absolute() / location
    if path.is_file():
        return path.resolve()
    beside = sorted(child.name for child in path.parent.glob("*.py"))[:5]
    cure = f"files there: {', '.join(beside)}" if beside else "paths are relative to the recipe"
    raise InputError("no such file", where=str(path), cure=cure)
