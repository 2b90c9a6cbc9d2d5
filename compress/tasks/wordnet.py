"""WordNet 3.0 (Fellbaum, 1998): its definitions, each with the lexicographer file of its synset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from compress.errors import DistilError, InputError
from compress.tasks.debian import Tools, fetch_package
from compress.tasks.text_files import Table
from exporters.atomic import remove_stale_temporaries, write_bytes
from exporters.events import Event

PACKAGE = "wordnet-base"
DEBIAN_FOLDER = Path("/usr/share/wordnet")
# Of Debian's files, which correct a few lines of Princeton's.
CONTENTS: Mapping[str, str] = {
    "data.adj": "c89120dfc1f046ddff4a631bf9b7e9fa1a36b5e86565a23bf82dbe14f30b88a7",
    "data.adv": "444a63bf3955080ab7524f5079cfc07ff9bc682cb98bdb1db73b0fb9829f1139",
    "data.noun": "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
    "data.verb": "adcf43e35b581e8036d8b5a52d63d9cd3d3b4870b2720d3c03c799df44777bc2",
}
# lexnames(5WN), by the number that a synset's line gives.
LEXICOGRAPHER_FILES = (
    "adj.all", "adj.pert", "adv.all", "noun.Tops", "noun.act", "noun.animal", "noun.artifact",
    "noun.attribute", "noun.body", "noun.cognition", "noun.communication", "noun.event",
    "noun.feeling", "noun.food", "noun.group", "noun.location", "noun.motive", "noun.object",
    "noun.person", "noun.phenomenon", "noun.plant", "noun.possession", "noun.process",
    "noun.quantity", "noun.relation", "noun.shape", "noun.state", "noun.substance", "noun.time",
    "verb.body", "verb.change", "verb.cognition", "verb.communication", "verb.competition",
    "verb.consumption", "verb.contact", "verb.creation", "verb.emotion", "verb.motion",
    "verb.perception", "verb.possession", "verb.social", "verb.stative", "verb.weather", "adj.ppl",
)  # fmt: skip
_CURE = (
    f"install the Debian package {PACKAGE}, or put its data.noun, data.verb, data.adj and data.adv "
    "in a folder and name it with --data or task.data"
)


def load_wordnet(
    *,
    folder: Path | None,
    cache: Path,
    on_event: Callable[[Event], None] | None = None,
    debian_folder: Path = DEBIAN_FOLDER,
    tools: Tools | None = None,
    contents: Mapping[str, str] = CONTENTS,
) -> Table:
    """117,659 definitions, without examples of use; every byte is checked against contents.

    folder: where the user says that the files are, and then nowhere else. Else Debian's folder, the
    cache, the Debian package (apt-get, no root), which is kept in cache. InputError, with what was
    tried, when none has the right bytes.
    """
    if folder is not None:
        inner = folder / "wordnet"
        try:
            return _table(_read_all(inner if inner.is_dir() else folder, contents))
        except InputError as exc:
            raise InputError(exc.what, where=exc.where, cure=_CURE) from exc
    tried: list[str] = []
    kept = cache / "data" / "wordnet"
    for place in (debian_folder, kept):
        if place.is_dir():
            try:
                return _table(_read_all(place, contents))
            except InputError as exc:
                tried.append(f"{exc.where}: {exc.what}")
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        cure = "choose a cache folder that you may write to"
        raise InputError(f"can't be made: {exc.strerror}", where=str(kept), cure=cure) from exc
    remove_stale_temporaries(kept)
    if on_event is not None:
        message = f"fetching WordNet from the Debian package {PACKAGE}"
        on_event(Event("progress", "task", message))
    try:
        files = fetch_package(
            PACKAGE, DEBIAN_FOLDER, names=tuple(contents), scratch=kept, tools=tools or Tools()
        )
        for name, data in files.items():
            _check(data, name, contents, where=f"{PACKAGE}: {name}")
    except DistilError as exc:
        tried.append(f"{exc.where}: {exc.what}" if exc.where else exc.what)
        what = f"WordNet was not found and could not be fetched ({'; '.join(tried)})"
        raise InputError(what, cure=_CURE) from exc
    for name, data in files.items():
        write_bytes(kept / name, data)
    return _table(files)


def definitions(data: bytes) -> list[tuple[str, str]]:
    """(definition, lexicographer file) of each synset of a data file, wndb(5WN), in its order."""
    found: list[tuple[str, str]] = []
    for line in data.decode("utf-8").splitlines():
        if line.startswith("  "):  # the licence
            continue
        synset, _, gloss = line.partition(" | ")
        definition = gloss.split('; "')[0].strip().rstrip(";")
        found.append((definition, LEXICOGRAPHER_FILES[int(synset.split(" ", 2)[1])]))
    return found


def _table(files: Mapping[str, bytes]) -> Table:
    pairs = [pair for name in sorted(files) for pair in definitions(files[name])]
    return Table(
        where="wordnet-glosses",
        texts=tuple(text for text, _ in pairs),
        labels=tuple(label for _, label in pairs),
    )


def _read_all(folder: Path, contents: Mapping[str, str]) -> dict[str, bytes]:
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder))
    files: dict[str, bytes] = {}
    for name in contents:
        path = folder / name
        if not path.is_file():
            raise InputError(f"has no {name}", where=str(folder))
        try:
            files[name] = path.read_bytes()
        except OSError as exc:
            raise InputError(f"can't be read: {exc.strerror or exc}", where=str(path)) from exc
        _check(files[name], name, contents, where=str(path))
    return files


def _check(data: bytes, name: str, contents: Mapping[str, str], *, where: str) -> None:
    if hashlib.sha256(data).hexdigest() != contents[name]:
        raise InputError("is not the file of WordNet 3.0 in Debian", where=where)
