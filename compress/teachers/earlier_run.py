"""An earlier run as a teacher: the student that it shipped, checked against its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compress.errors import InputError
from compress.store.manifest import Manifest, load_manifest
from compress.teachers.onnx_file import onnx_teacher
from compress.teachers.teacher import Teacher
from exporters.atomic import sha256_file


def shipped(folder: Path) -> tuple[Manifest, Path]:
    """The manifest of a run folder and its verified model file.

    Raises InputError: no finished run, or a file that is not the one that the run wrote.
    """
    manifest = load_manifest(folder)
    name = manifest.facts.model
    record, path = manifest.files.get(name), folder / name
    if record is None or path.is_symlink() or not path.is_file():
        raise InputError(f"its {name} is not there", where=str(folder), cure="run it again")
    if sha256_file(path) != record.sha256:
        raise InputError(
            f"{name} is not the file that the run wrote",
            where=str(path),
            cure="`distil verify` lists what else changed; run it again or copy it back",
        )
    return manifest, path


def run_teacher(
    folder: Path,
    *,
    digest: str,
    threads: int,
    device: str = "cpu",
    input_names: Sequence[str] = (),
) -> Teacher:
    """What the run shipped, with its class names, sample shape, scale and tokenizer. Raises as
    `shipped`.

    Of texts there is no shape: rows are as long as the longest text of a table.
    """
    manifest, path = shipped(folder)
    facts = manifest.facts
    if facts.preprocessing.inside is not None:
        raise InputError(
            "its file takes raw samples, which no student is trained on",
            where=str(path),
            cure="run it with `export: {preprocess: outside}`",
        )
    return replace(
        onnx_teacher(path, digest=digest, threads=threads, device=device, input_names=input_names),
        name=facts.name,
        classes=facts.classes,
        input_shape=None if facts.preprocessing.tokenizer else facts.preprocessing.shape,
        scale=facts.preprocessing.scale,
        tokenizer=_tokenizer(manifest, folder),
    )


def _tokenizer(manifest: Manifest, folder: Path) -> str | None:
    """The text of its tokenizer.json, where it has one that is still as the run wrote it."""
    name = manifest.facts.preprocessing.tokenizer
    if name is None:
        return None
    path, record = folder / name, manifest.files.get(name)
    if record is None or not path.is_file() or sha256_file(path) != record.sha256:
        raise InputError(
            f"{name} is not the file that the run wrote", where=str(path), cure="run it again"
        )
    return path.read_text(encoding="utf-8")
