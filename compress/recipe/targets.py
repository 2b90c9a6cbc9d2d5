"""`model.py:teacher` or `pkg.mod:function` to a callable: the one place where a recipe runs code.

A target with `.py` is a file beside the recipe. While it is loaded and called, modules beside it
can be imported; they never replace the standard library or this program's packages, and two
recipes with a `model.py` or a `blocks.py` each keep their own.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from compress.errors import DistilError, InputError
from compress.recipe.suggest import near
from compress.recipe.target_digest import target_digest
from compress.recipe.target_path import split_target, target_file

__all__ = ["failed_line", "load_target", "target_digest"]

_OURS = frozenset({"compress", "benchmarks", "exporters"})
_THEIRS = (Exception, SystemExit)  # a script without `if __name__ == "__main__"` calls sys.exit
_lock = threading.RLock()
_neighbours: dict[Path, dict[str, ModuleType]] = {}  # folder -> modules beside its targets
_active: Path | None = None  # whose neighbours are in sys.modules now


def load_target(target: str, folder: Path) -> Callable[..., Any]:
    """The callable that `target` names. What it raises when called becomes an InputError too.

    Raises InputError: no such file, module or attribute, not callable, or an exception while
    the module is imported (with the line in the user's file).
    """
    location, attribute = split_target(target)
    if not location.endswith(".py"):
        module = _import_installed(location, target, folder)
        return _guarded(_attribute(module, attribute, target, location), target, None)
    path = target_file(location, folder)
    with _beside(path.parent):
        module = _import_file(path, target)
    return _guarded(_attribute(module, attribute, target, str(path)), target, path.parent)


def _import_installed(name: str, target: str, folder: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        file = f"{name.replace('.', '/')}.py"
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            cure = "install it, or write `file.py:function` for a file beside the recipe"
            if (folder / file).is_file():
                cure = f"for the file beside the recipe write {file}:{target.rpartition(':')[2]}"
            raise InputError(f"no module {name!r}", where=f"target {target}", cure=cure) from None
        raise _failed(error, target, "was being imported") from error
    except _THEIRS as error:
        raise _failed(error, target, "was being imported") from error


def _import_file(path: Path, target: str) -> ModuleType:
    """The module of a file; loaded again only when its bytes have changed."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror}", where=str(path)) from None
    tag = sha256(str(path).encode("utf-8", "surrogatepass") + b"\0" + source).hexdigest()[:16]
    name = f"distil_target_{path.stem if path.stem.isidentifier() else 'file'}_{tag}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError("is not a Python file", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # Compiled from the bytes that were hashed: a .pyc is trusted by its whole-second mtime.
        exec(compile(source, _text(path), "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, _THEIRS):
            raise _failed(error, target, "was being imported", path.parent) from error
        raise
    return module


def _attribute(module: ModuleType, dotted: str, target: str, where: str) -> Callable[..., Any]:
    value: Any = module
    for name in dotted.split("."):
        if not hasattr(value, name):
            public = [known for known in vars(module) if not known.startswith("_")]
            what = f"has no {dotted!r} (target {target})"
            raise InputError(what, where=where, cure=near(dotted, public))
        value = getattr(value, name)
    if not callable(value):
        what = f"{dotted!r} is a {type(value).__name__} and not a function (target {target})"
        raise InputError(what, where=where)
    return value  # type: ignore[no-any-return]  # callable() narrows Any to no signature


def _guarded(function: Callable[..., Any], target: str, folder: Path | None) -> Callable[..., Any]:
    """`function`, with its neighbours importable in the call and its exceptions as InputError."""

    @functools.wraps(function, updated=())
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            if folder is None:
                return function(*arguments, **keywords)
            with _beside(folder):
                return function(*arguments, **keywords)
        except (DistilError, MemoryError):
            raise
        except _THEIRS as error:
            raise _failed(error, target, "was running", folder) from error

    return call


def _text(path: str | os.PathLike[str]) -> str:
    """A path that is UTF-8: torch's exporter hands the file names of code to C++."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def failed_line(error: BaseException, folder: Path | None) -> str:
    """`file:line` of the last frame in `folder`, else of the last one at all; "" without any."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and not frame.filename.startswith("<frozen")
    ]
    home = None if folder is None else Path(_text(folder))
    theirs = [frame for frame in frames if home in Path(_text(frame.filename)).parents]
    last = (theirs or frames)[-1:]
    return f"{last[0].filename}:{last[0].lineno}" if last else ""


def _failed(
    error: BaseException, target: str, doing: str, folder: Path | None = None
) -> InputError:
    """An exception from the user's code: the last line of it in their folder, and what it said."""
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno or 1}"
        return InputError(f"{type(error).__name__}: {error.msg} (target {target})", where=where)
    where = failed_line(error, folder) or f"target {target}"
    said = f"{type(error).__name__}: {error}".strip().rstrip(":")[:500]
    return InputError(f"{said} (while the target {target} {doing})", where=where)


class _Beside(MetaPathFinder):
    """Finds top-level modules in one folder, and remembers which it found."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or fullname in _OURS or fullname in sys.stdlib_module_names:
            return None
        spec = PathFinder.find_spec(fullname, [str(self.folder)])
        if spec is not None and spec.loader is None and PathFinder.find_spec(fullname) is not None:
            return None  # a bare folder called like an installed package does not hide it
        if spec is not None:
            self.found.add(fullname)
        return spec


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Modules in `folder` can be imported here. They stay in sys.modules until another folder's
    turn comes, so that tools that look a function's module up by name find it."""
    global _active
    with _lock:
        if _active != folder:
            for name in _neighbours.get(_active, {}) if _active else ():
                sys.modules.pop(name, None)
            sys.modules.update(_neighbours.get(folder, {}))
            _active = folder
        finder = _Beside(folder)
        sys.meta_path.insert(0, finder)
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            tops = finder.found | set(_neighbours.get(folder, {}))
            _neighbours[folder] = {
                name: module
                for name, module in sys.modules.items()
                if name.partition(".")[0] in tops
            }
