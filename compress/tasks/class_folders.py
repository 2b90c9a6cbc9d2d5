"""Which files a folder per class holds, by split and class. Nothing is decoded here."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compress.errors import InputError

SplitName = Literal["train", "validation", "test"]

_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
_VALIDATION = ("validation", "valid", "val")
_SPLITS = frozenset({"train", "training", "test", "testing", *_VALIDATION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a data set is made of: suffixes that are read, and those of the same kind that are not.

    Left out in silence, the latter would change the data set; a stray text file does not.
    """

    noun: str  # "image": one sample
    formats: str  # "PNG or JPEG"
    read: frozenset[str]
    refused: frozenset[str]


IMAGES = Wanted(
    noun="image",
    formats="PNG or JPEG",
    read=frozenset({".png", ".jpg", ".jpeg"}),
    refused=frozenset(
        {".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif", ".jp2", ".ppm", ".npy"}
    ),
)
RECORDINGS = Wanted(
    noun="recording",
    formats="WAV",
    read=frozenset({".wav", ".wave"}),
    refused=frozenset(
        {".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff"}
        | {".au", ".amr", ".webm", ".sph", ".gsm", ".npy"}
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFile:
    """name: its path below the data folder, for messages and the fingerprint."""

    path: Path
    name: str
    label: int
    split: SplitName


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Files in the order of their names. splits: those that have a folder of their own."""

    classes: tuple[str, ...]
    files: tuple[SampleFile, ...]
    splits: frozenset[SplitName]
    notes: tuple[str, ...]


def list_files(folder: Path, wanted: Wanted) -> Listing:
    """A folder per class, below train/ and test/ (validation/ too) or flat.

    Hidden files are left out; links are followed, a loop of them once. InputError for a folder that
    is missing, has no class or one, an empty class, or samples in other formats.
    """
    where = str(folder)
    if not folder.is_dir():
        raise InputError("no such folder", where=where)
    top = _folders(folder)
    roots: dict[SplitName, Path] = {"train": folder}
    if "train" in top and _folders(top["train"]):
        roots = {"train": top["train"]}
        if "test" in top:
            roots["test"] = top["test"]
        for name in _VALIDATION:
            if name in top and "validation" not in roots:
                roots["validation"] = top[name]
    elif all(name.lower() in _SPLITS for name in top) and any(map(_folders, top.values())):
        raise InputError(
            f"the folders {', '.join(sorted(top))} are splits, and would be taken for classes",
            where=where,
            cure="name them train, test and validation, a folder per class inside each",
        )
    classes = tuple(sorted(_folders(roots["train"])))
    if len(classes) < 2:
        raise InputError(
            f"holds {len(classes)} class folders; a classifier needs two or more",
            where=str(roots["train"]),
            cure=f"make a folder per class, its {wanted.noun}s inside",
        )
    files: list[SampleFile] = []
    ignored = _strays(roots, folder, top, wanted)
    above = frozenset(_identity(place) for place in {folder, *roots.values()})
    for split, root in roots.items():
        below = _folders(root)
        if unknown := sorted(set(below) - set(classes)):
            raise InputError(
                f"class folders {', '.join(unknown)} are not in train", where=str(root)
            )
        for name, place in sorted(below.items()):
            found, other = _samples(place, above, wanted)
            ignored += other
            if not found:
                raise InputError(
                    f"class folder {name} holds no {wanted.formats} files",
                    where=str(root),
                    cure=f"add {wanted.noun}s or remove the folder",
                )
            files.extend(
                SampleFile(
                    path=path,
                    name=str(path.relative_to(folder)),
                    label=classes.index(name),
                    split=split,
                )
                for path in found
            )
    files.sort(key=lambda file: os.fsencode(file.name))
    notes = (f"{ignored} files that are no {wanted.noun}s were left out",) if ignored else ()
    return Listing(classes=classes, files=tuple(files), splits=frozenset(roots), notes=notes)


def _folders(root: Path) -> dict[str, Path]:
    """Folders that can be classes, by name. InputError for a name that no report could print."""
    found = {}
    for entry in _entries(root):
        if _is_folder(entry):
            try:
                entry.name.encode()
            except UnicodeEncodeError as exc:
                name = os.fsencode(entry.name).decode(errors="replace")
                raise InputError(
                    f"the folder name {name} is not UTF-8", where=str(root), cure="rename it"
                ) from exc
            found[entry.name] = root / entry.name
    return found


def _strays(
    roots: dict[SplitName, Path], folder: Path, top: dict[str, Path], wanted: Wanted
) -> int:
    """Files outside of class folders, which belong to no class. Counted; samples are refused."""
    places = {folder, *roots.values()}
    count = 0
    for place in sorted(places):
        files = [Path(entry.path) for entry in _entries(place) if not _is_folder(entry)]
        if found := [p for p in files if p.suffix.lower() in wanted.read | wanted.refused]:
            raise InputError(
                f"this {wanted.noun} lies outside of the class folders and belongs to no class",
                where=_shown(found[0]),
                cure="move it into a class folder, or away",
            )
        count += len(files)
    if roots["train"] != folder:
        outside = sorted(set(top) - {root.name for root in roots.values()})
        if outside:
            raise InputError(
                f"holds {', '.join(outside)} beside train",
                where=str(folder),
                cure="the folders beside train may be test and validation",
            )
    return count


def _samples(
    place: Path, above: frozenset[tuple[int, int]], wanted: Wanted
) -> tuple[list[Path], int]:
    """Files to be read below a class folder, sorted, and how many others were left out."""
    found, ignored = [], 0
    for path in _walk(place, above):
        suffix = path.suffix.lower()
        if suffix in wanted.refused:
            raise InputError(
                f"{suffix} files are not read",
                where=_shown(path),
                cure=f"convert it to {wanted.formats}",
            )
        if suffix not in wanted.read:
            ignored += 1
        else:
            found.append(path)
    return sorted(found, key=os.fsencode), ignored


def _walk(place: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    """Regular files below place. A folder that is one of those above it ends a loop of links."""
    here = _identity(place)
    if here in above:
        return
    for entry in _entries(place):
        path = place / entry.name
        if _is_folder(entry):
            yield from _walk(path, above | {here})
            continue
        try:
            mode = path.stat().st_mode
        except OSError as exc:
            reason = f"a broken link or unreadable ({exc.strerror})"
            raise InputError(reason, where=_shown(path), cure="repair or remove it") from exc
        if not stat.S_ISREG(mode):  # a pipe would be waited on for ever
            raise InputError("neither a file nor a folder", where=_shown(path), cure="remove it")
        yield path


def _identity(place: Path) -> tuple[int, int]:
    state = place.stat()
    return state.st_dev, state.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; said when it is looked at as a file
        return False


def _entries(place: Path) -> list[os.DirEntry[str]]:
    try:
        entries = sorted(os.scandir(place), key=lambda entry: os.fsencode(entry.name))
    except OSError as exc:
        raise InputError(f"can't be read: {exc.strerror}", where=_shown(place)) from exc
    return [e for e in entries if not e.name.startswith(".") and e.name not in _LITTER]


def _shown(path: Path) -> str:
    """A path that any output can print, whatever its bytes."""
    return os.fsencode(path).decode(errors="replace")
