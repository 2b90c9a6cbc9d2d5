"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): found, fetched once, and verified each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.errors import DistilError, InputError
from compress.tasks.debian import Tools, fetch_package
from compress.tasks.download import Limits, fetch
from compress.tasks.idx import parse_idx
from exporters.atomic import remove_stale_temporaries, write_bytes
from exporters.events import Event

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
# Size and SHA-256 of what the files hold once unpacked: Debian and others compress them anew.
CONTENTS: Mapping[str, tuple[int, str]] = {
    "train-images-idx3-ubyte": (
        47_040_016,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte": (
        60_008,
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte": (
        7_840_016,
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte": (
        10_008,
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
_CURE = (
    f"install the Debian package {PACKAGE}, or put the four .gz files of {ADDRESS} in a folder "
    "and name it with --data or task.data"
)

Arrays = dict[str, NDArray[np.generic]]
OnEvent = Callable[[Event], None]


def load_fashion(
    *,
    folder: Path | None,
    cache: Path,
    on_event: OnEvent | None = None,
    debian_folder: Path = DEBIAN_FOLDER,
    address: str = ADDRESS,
    tools: Tools | None = None,
    limits: Limits | None = None,
    contents: Mapping[str, tuple[int, str]] = CONTENTS,
) -> Arrays:
    """The four arrays by file name (without .gz); every byte is checked against contents.

    folder: where the user says that they are, and then nowhere else. Else Debian's folder, the
    cache, the Debian package (apt-get, no root), the official address; what was fetched is kept in
    cache. InputError, with what was tried, when none has the right bytes.
    """
    if folder is not None:
        return _from_user(folder, contents)
    tried: list[str] = []
    kept = cache / "data" / "fashion-mnist"
    for place in (debian_folder, kept):
        if place.is_dir():
            try:
                return _read_all(place, contents)
            except InputError as exc:
                tried.append(_brief(exc))
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        cure = "choose a cache folder that you may write to"
        raise InputError(f"can't be made: {exc.strerror}", where=str(kept), cure=cure) from exc
    remove_stale_temporaries(kept)
    sources: tuple[tuple[str, Callable[[], dict[str, bytes]]], ...] = (
        (
            f"the Debian package {PACKAGE}",
            lambda: fetch_package(
                PACKAGE,
                DEBIAN_FOLDER,
                names=_stored(contents),
                scratch=kept,
                tools=tools or Tools(),
            ),
        ),
        (
            address,
            lambda: {
                name: fetch(address.rstrip("/") + "/" + name, limits=limits or Limits())
                for name in _stored(contents)
            },
        ),
    )
    for source, get in sources:
        if on_event is not None:
            on_event(Event("progress", "task", f"fetching Fashion-MNIST from {source}"))
        try:
            files = get()
            arrays = {
                name: _verified(files[f"{name}.gz"], name, contents, where=f"{source}: {name}.gz")
                for name in contents
            }
        except DistilError as exc:
            tried.append(_brief(exc))
            continue
        for name, data in files.items():
            write_bytes(kept / name, data)
        return arrays
    raise InputError(
        f"Fashion-MNIST was not found and could not be fetched ({'; '.join(tried)})", cure=_CURE
    )


def _brief(exc: DistilError) -> str:
    return f"{exc.where}: {exc.what}" if exc.where else exc.what


def _stored(contents: Mapping[str, tuple[int, str]]) -> tuple[str, ...]:
    return tuple(f"{name}.gz" for name in contents)


def _from_user(folder: Path, contents: Mapping[str, tuple[int, str]]) -> Arrays:
    """From the folder itself, or from `fashion-mnist` in a folder of several data sets."""
    inner = folder / "fashion-mnist"
    try:
        return _read_all(inner if inner.is_dir() else folder, contents)
    except InputError as exc:
        raise InputError(exc.what, where=exc.where, cure=exc.cure or _CURE) from exc


def _read_all(folder: Path, contents: Mapping[str, tuple[int, str]]) -> Arrays:
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder))
    arrays: Arrays = {}
    for name in contents:
        path = next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None)
        if path is None:
            raise InputError(f"has no {name}.gz", where=str(folder))
        try:
            # Never larger than what it holds unpacked: gzip adds a few bytes at worst.
            with path.open("rb") as stream:
                data = stream.read(contents[name][0] + 65_536)
        except OSError as exc:
            raise InputError(f"can't be read: {exc.strerror or exc}", where=str(path)) from exc
        arrays[name] = _verified(data, name, contents, where=str(path))
    return arrays


def _verified(
    stored: bytes, name: str, contents: Mapping[str, tuple[int, str]], *, where: str
) -> NDArray[np.generic]:
    size, digest = contents[name]
    if stored[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(stored)) as stream:
                content = stream.read(size + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
            raise InputError(f"damaged or truncated gzip file ({exc})", where=where) from exc
    else:
        content = stored
    if len(content) != size or hashlib.sha256(content).hexdigest() != digest:
        cure = "fetch it again; for data of your own write task.data without task.source"
        raise InputError("is not the file of Fashion-MNIST", where=where, cure=cure)
    return parse_idx(io.BytesIO(content), where=where, stored_bytes=size)
