"""What a target's code is, for stage keys: a digest over its source files, without running them."""

from __future__ import annotations

import ast
import importlib.machinery
import sys
from hashlib import sha256
from pathlib import Path, PurePosixPath

from compress.errors import InputError
from compress.recipe.target_path import split_target, target_file


def target_digest(target: str, folder: Path) -> str:
    """SHA-256 over the target's name and the source of every file that it may run.

    A `.py` target: the file and, followed through their imports, the modules and packages beside
    it, and the files beside them that their source names in a string, weights for instance. An
    installed one: all Python files of its top-level package. Names and contents count, folders do
    not: a copied project has the same digest. Raises InputError.
    """
    location, attribute = split_target(target)
    if location.endswith(".py"):
        path = target_file(location, folder)
        files = _followed(path)
        root = path.parent
    else:
        root, files = _installed(location, target)
    digest = sha256(f"{Path(location).name}:{attribute}".encode())
    for file in sorted(files, key=lambda file: file.relative_to(root).as_posix()):
        name = file.relative_to(root).as_posix().encode("utf-8", "surrogatepass")
        digest.update(b"\0" + name + b"\0" + sha256(_bytes(file)).digest())
    return digest.hexdigest()


def _followed(start: Path) -> set[Path]:
    """The file, and those beside it that its imports and its strings reach."""
    folder = start.parent
    found: set[Path] = set()
    pending = [start]
    while pending:
        file = pending.pop()
        if file in found:
            continue
        found.add(file)
        tree = _parsed(file)
        for name in _imported(tree):
            module, package = folder / f"{name}.py", folder / name
            if package.is_dir():
                pending += sorted(package.rglob("*.py"))
            elif module.is_file():
                pending.append(module)
        found |= _named(tree, folder)
    return found


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(_bytes(file), filename=str(file))
    except SyntaxError as error:
        where = f"{file}:{error.lineno or 1}"
        raise InputError(f"{type(error).__name__}: {error.msg}", where=where) from None
    except ValueError as error:  # NUL bytes
        raise InputError(f"is not Python: {error}", where=str(file)) from None


def _imported(tree: ast.Module) -> set[str]:
    """Top-level names of absolute imports, anywhere in the file."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names


def _named(tree: ast.Module, folder: Path) -> set[Path]:
    """Files inside the folder that a string of the source is the relative path of.

    Python files are left to _imported: naming one does not run it.
    """
    found = set()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        name = PurePosixPath(node.value)
        if not name.suffix or name.suffix == ".py" or name.is_absolute() or ".." in name.parts:
            continue
        try:
            if (folder / name).is_file():
                found.add(folder / name)
        except (OSError, ValueError):  # no name of a file: too long, or with a NUL
            continue
    return found


def _installed(module: str, target: str) -> tuple[Path, set[Path]]:
    spec = importlib.machinery.PathFinder.find_spec(module.partition(".")[0])
    if spec is None:
        cure = "install it, or write `file.py:function` for a file beside the recipe"
        raise InputError(f"no module {module!r}", where=f"target {target}", cure=cure)
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if folders:
        root = folders[0].parent
        return root, set(folders[0].rglob("*.py"))
    origin = Path(spec.origin or "")
    return origin.parent, {origin} if origin.is_file() else set()


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror}", where=str(file)) from None
