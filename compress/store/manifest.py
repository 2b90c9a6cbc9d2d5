"""manifest.json: what a finished run consists of. Written last: its presence commits the run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from compress.store.blobs import is_digest
from compress.store.keys import canonical
from exporters.atomic import sha256_bytes
from exporters.errors import DistilError, InputError

MANIFEST_NAME = "manifest.json"
MANIFEST_VERSION = 1
_LARGEST = 16 << 20  # bytes
_NAME_PART = re.compile(r"[^\x00-\x1f/\\]{1,255}")


class BadManifest(DistilError):
    """manifest.json is not what was written, or names what it may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file of the run folder."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How a sample becomes the network's input: raw values, as the given type, times scale.

    shape: one sample's, without the batch axis; (channels, height, width) for images. resize: the
    Pillow filter for images of another size, or None where those are refused. tokenizer: of text,
    the file in the run folder that makes input_ids; then shape and scale say nothing. inside: the
    type of raw samples that the model itself scales and resizes; None where it takes them made.
    sample_rate (per second), seconds, mels: of recordings, which waveform.py in the run folder
    reads; without mels a sample is the waveform.
    """

    input_name: str
    shape: tuple[int, ...]
    scale: float
    resize: str | None = None
    tokenizer: str | None = None
    padding: int | None = None  # the id that fills rows of tokens
    inside: str | None = None
    sample_rate: int | None = None
    seconds: float | None = None
    mels: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a run was made from and on. Digests are hexadecimal SHA-256."""

    name: str
    created_at: str  # ISO 8601, UTC
    recipe_digest: str
    teacher_digest: str | None
    data_digest: str
    versions: Mapping[str, str]
    seeds: Mapping[str, int]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    model: str = "student.onnx"
    machine: Mapping[str, str] = field(default_factory=dict)  # CPU model and flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """files: every file of the run folder but the manifest itself, by relative POSIX path."""

    facts: Facts
    files: Mapping[str, FileRecord]


def dump_manifest(manifest: Manifest) -> bytes:
    """Canonical content plus its own digest, so that a flipped bit shows."""
    value = {"schema": MANIFEST_VERSION, **asdict(manifest.facts), "files": {}}
    value["files"] = {name: asdict(record) for name, record in manifest.files.items()}
    value["manifest_sha256"] = sha256_bytes(canonical(value))
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode("ascii")


def load_manifest(folder: Path) -> Manifest:
    """Read and check manifest.json. InputError: none is there; BadManifest: it can't be trusted."""
    path = folder / MANIFEST_NAME
    if path.is_symlink() or not path.is_file():
        cure = "name the folder of a finished run"
        raise InputError("no manifest.json is here", where=str(folder), cure=cure)
    if path.stat().st_size > _LARGEST:
        raise BadManifest("larger than any manifest", where=str(path))
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
        stated = value.pop("manifest_sha256")
        version = value.pop("schema")
    except OSError as exc:
        raise InputError(f"can't be read: {exc.strerror or exc}", where=str(path)) from exc
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as exc:
        raise BadManifest("is damaged: not a manifest", where=str(path)) from exc
    if stated != _digest(value, version):
        raise BadManifest("is damaged: its own digest differs", where=str(path))
    if version != MANIFEST_VERSION:
        what = f"has schema {version}, this version reads {MANIFEST_VERSION}"
        raise InputError(what, where=str(path), cure="use the version that wrote it")
    try:
        return _parse(value)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise BadManifest(f"is malformed: {exc}", where=str(path)) from exc


def safe_name(name: str) -> bool:
    """Whether a listed name stays below the run folder on every system."""
    parts = PurePosixPath(name).parts
    return (
        bool(parts)
        and not PurePosixPath(name).is_absolute()
        and all(_NAME_PART.fullmatch(part) and part not in {".", ".."} for part in parts)
        and ":" not in parts[0]
        and name == "/".join(parts)
    )


def _parse(value: dict[str, Any]) -> Manifest:
    files = {
        name: FileRecord(sha256=record["sha256"], size_bytes=int(record["size_bytes"]))
        for name, record in value.pop("files").items()
    }
    for name, record in files.items():
        if not safe_name(name) or name == MANIFEST_NAME:
            raise ValueError(f"it lists {name!r}, which is no place below the folder")
        if not is_digest(record.sha256):
            raise ValueError(f"the digest of {name!r} is none")
    made = value.pop("preprocessing")
    preprocessing = Preprocessing(**{**made, "shape": tuple(made["shape"])})
    value["classes"] = tuple(value["classes"])
    return Manifest(facts=Facts(**value, preprocessing=preprocessing), files=files)


def _digest(value: dict[str, Any], version: object) -> str | None:
    try:
        return sha256_bytes(canonical({**value, "schema": version}))
    except (TypeError, ValueError):
        return None
