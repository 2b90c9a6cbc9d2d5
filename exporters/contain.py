"""External data stays inside the model's folder: checked by name and size, nothing is opened.

The holes that this closes were real: CVE-2022-25882 (`..`), CVE-2024-27318 (nested `..`),
CVE-2026-27489 (symbolic link), CVE-2026-34445 (keys of external_data as attributes), hard links,
which onnxruntime accepts, and onnxruntime's marker that turns an offset into a memory address.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath

from exporters.errors import RefusedModel
from exporters.tensors import Held, expected_bytes, quoted

_KEYS = frozenset({"location", "offset", "length", "checksum"})
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_LARGEST = 2**63 - 1
_EXTERNAL = 1  # TensorProto.EXTERNAL
_COPY = "put a plain copy of the data beside the model (`cp -L`)"


def is_external(held: Held) -> bool:
    """Whether the tensor's bytes are in another file."""
    return held.tensor.data_location == _EXTERNAL or len(held.tensor.external_data) > 0


def external_file(held: Held, folder: Path) -> Path:
    """The file beside the model that holds a tensor's bytes; only stat calls are made.

    Raises RefusedModel when it is outside folder, a link of either kind, no plain file, or too
    short for what the tensor asks.
    """
    entries = [(entry.key, entry.value) for entry in held.tensor.external_data]
    values = dict(entries)
    if not all(isinstance(text, str) for entry in entries for text in entry):
        raise RefusedModel(f"{held.where} has external data in a text that is not UTF-8")
    if held.tensor.data_location != _EXTERNAL:
        raise RefusedModel(f"{held.where} has external data and says that it is not external")
    if strange := sorted(set(values) - _KEYS):
        what = f"{held.where} has the external data key {quoted(strange[0])}"
        raise RefusedModel(what, cure=f"only {', '.join(sorted(_KEYS))} are defined")
    if len(values) != len(entries):
        raise RefusedModel(f"{held.where} repeats an external data key")
    path = folder.joinpath(*_parts(values.get("location", ""), held))
    size = _plain_file_size(path, folder, held)
    offset = _number(values, "offset", held) or 0
    length = _number(values, "length", held)
    wanted = expected_bytes(held)
    if length is not None and length != wanted:
        what = f"{held.where} names {length:,} bytes of external data, its dims say {wanted:,}"
        raise RefusedModel(what)
    if offset + wanted > size:
        end = f"external data end at byte {offset + wanted:,}, {quoted(path.name)} has {size:,}"
        raise RefusedModel(f"{held.where}: {end}", cure="the data file is truncated or foreign")
    return path


def _parts(location: str, held: Held) -> tuple[str, ...]:
    """The location's parts below the folder. RefusedModel for whatever could lead out of it."""

    def refuse(why: str) -> RefusedModel:
        what = f"{held.where} has external data at {quoted(location)}: {why}"
        return RefusedModel(what, cure="it must be a plain name below the model's folder")

    if not location:
        raise refuse("no location")
    if any(ord(character) < 32 or ord(character) == 127 for character in location):
        raise refuse("a NUL or control character")
    if "_ORT_MEM_ADDR_" in location:
        raise refuse("a memory address")
    if "\\" in location or re.match(r"[A-Za-z]:", location):
        raise refuse("a Windows path")
    path = PurePosixPath(location)
    if path.is_absolute():
        raise refuse("an absolute path")
    if ".." in path.parts:
        raise refuse("leads out of the folder")
    if not path.parts:
        raise refuse("the folder itself")
    return path.parts


def _plain_file_size(path: Path, folder: Path, held: Held) -> int:
    """Size in bytes of a regular file reached through real folders only."""
    name = quoted(str(path.relative_to(folder)))
    current = folder
    for part in path.relative_to(folder).parts:
        current = current / part
        try:
            found = os.lstat(current)
        except OSError as exc:
            what = f"{held.where} needs its external data {name}: {exc.strerror}"
            raise RefusedModel(what, cure="copy the data file along with the model") from exc
        if stat.S_ISLNK(found.st_mode):
            what = f"{held.where} has external data behind a symbolic link: {name}"
            raise RefusedModel(what, cure=_COPY)
    if not stat.S_ISREG(found.st_mode):
        raise RefusedModel(f"{held.where} has external data in no plain file: {name}")
    if found.st_nlink > 1:
        raise RefusedModel(f"{held.where} has external data in a hard link: {name}", cure=_COPY)
    return found.st_size


def _number(values: dict[str, str], key: str, held: Held) -> int | None:
    text = values.get(key)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or int(text) > _LARGEST:
        what = f"{held.where} has external data with the {key} {quoted(text)}"
        raise RefusedModel(what, cure="it must be a number of bytes, 0 or more")
    return int(text)
