"""What `--data` of `distil quantize` names: a file, a folder of batches, or a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compress.quantize.feeds import Batch
    from compress.quantize.samples import Data

_KINDS = (".npz", ".npy")


def read_data(text: str) -> Data:
    """Samples of an .npz or .npy file, batches of a folder of those, or what a function gives.

    text: a path, or `file.py:function` or `pkg.mod:function`, without arguments. A folder is read
    file by file, in the order of names, each time anew. Pickled objects are refused. InputError.
    """
    from compress.cli.bench_options import read_samples
    from compress.errors import InputError

    path = Path(text)
    if path.is_dir():
        files = sorted(entry for entry in path.iterdir() if entry.suffix in _KINDS)
        if not files:
            cure = "put batches there, written with numpy.save or numpy.savez"
            raise InputError("holds no .npz or .npy file", where=text, cure=cure)
        return lambda: (read_samples(file) for file in files)
    if path.is_file() or ":" not in text:
        return read_samples(path)
    return _called(text)


def _called(target: str) -> Callable[[], Iterable[Batch]]:
    from compress.errors import InputError
    from compress.recipe.targets import load_target

    function = load_target(target, Path.cwd())

    def batches() -> Iterator[Batch]:
        given: Any = function()
        if not isinstance(given, Iterable):
            what = f"returned {type(given).__name__}, which can't be iterated"
            raise InputError(what, where=target, cure="return or yield batches")
        yield from given

    return batches
