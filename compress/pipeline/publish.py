"""Puts the files of a finished run into its folder: all new, or all as they were.

Every file is first written and verified in a staging folder beside its place; then a journal says
that the rest is only renaming. A kill before the journal leaves the earlier run whole; after it,
the next run, or `finish_publication`, completes the renaming. manifest.json comes last.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from compress.pipeline.manifest import (
    MANIFEST_NAME,
    BadManifest,
    Facts,
    FileRecord,
    Manifest,
    dump_manifest,
    load_manifest,
    safe_name,
)
from exporters.atomic import atomic_path, sha256_bytes, sha256_file, write_bytes, write_json
from exporters.errors import DistilError, InputError

STAGING_NAME = ".distil.staged"
JOURNAL_NAME = ".distil.publish.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Journal:
    """What is staged (name -> digest), and what of the earlier run goes."""

    files: dict[str, str]
    obsolete: dict[str, str]
    manifest: str


def publish(files: Mapping[str, Path | bytes], folder: Path, *, facts: Facts) -> Manifest:
    """Publish files (relative POSIX name -> a file to copy, or bytes) and the manifest.

    Files that the earlier manifest listed and the new one does not are removed. Call it with the
    folder locked. Raises DistilError; the earlier run is then untouched.
    """
    for name in files:
        if not safe_name(name) or name == MANIFEST_NAME or name.startswith("."):
            raise ValueError(f"not a name for a file of a run folder: {name!r}")
    finish_publication(folder)
    staging = folder / STAGING_NAME
    shutil.rmtree(staging, ignore_errors=True)
    try:
        records = {name: _stage(source, staging / name) for name, source in sorted(files.items())}
        manifest = Manifest(facts=facts, files=records)
        data = dump_manifest(manifest)
        write_bytes(staging / MANIFEST_NAME, data)
        journal = _Journal(
            files={name: record.sha256 for name, record in records.items()},
            obsolete={name: old for name, old in _listed(folder).items() if name not in records},
            manifest=sha256_bytes(data),
        )
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    write_json(folder / JOURNAL_NAME, asdict(journal))
    finish_publication(folder)
    return manifest


def predict_source() -> bytes:
    """The predict.py of every run folder."""
    return (resources.files("compress.pipeline") / "predict_template.py").read_bytes()


def waveform_source() -> bytes:
    """What reads recordings in the run folder of an audio task, as the task itself does."""
    return (resources.files("compress.tasks") / "waveform.py").read_bytes()


def finish_publication(folder: Path) -> bool:
    """Complete a publication that was cut short, or drop what was staged for one; whether it did.

    Raises DistilError when a staged file was damaged since, or can't be put in its place.
    """
    journal_path, staging = folder / JOURNAL_NAME, folder / STAGING_NAME
    if not journal_path.exists():
        shutil.rmtree(staging, ignore_errors=True)
        return False
    try:
        _replace_all(folder, _read_journal(journal_path))
        shutil.rmtree(staging, ignore_errors=True)
        journal_path.unlink()
        _sync_folder(folder)
    except OSError as exc:
        what = f"the new files can't be put in place: {exc.strerror or exc}"
        cure = "run the same command again to complete it"
        raise DistilError(what, where=str(exc.filename or folder), cure=cure) from exc
    return True


def _replace_all(folder: Path, journal: _Journal) -> None:
    order = [*sorted(journal.files.items()), (MANIFEST_NAME, journal.manifest)]
    for name, digest in order:
        staged, target = folder / STAGING_NAME / name, folder / name
        if staged.exists():
            if sha256_file(staged) != digest:
                raise _broken(folder, f"the staged {name} was damaged")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged, target)
            _sync_folder(target.parent)
        elif not target.is_file() or sha256_file(target) != digest:
            raise _broken(folder, f"the staged {name} is gone")
    for name, digest in journal.obsolete.items():
        old = folder / name
        if old.is_file() and sha256_file(old) == digest:  # changed by its owner: theirs now
            old.unlink()


def interrupted_publication(folder: Path) -> bool:
    """Whether the folder is between two runs: complete only after `finish_publication`."""
    return (folder / JOURNAL_NAME).exists()


def _stage(source: Path | bytes, staged: Path) -> FileRecord:
    staged.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, bytes):
        write_bytes(staged, source)
        digest, size_bytes = sha256_bytes(source), len(source)
    else:
        digest, size_bytes = sha256_file(source), source.stat().st_size
        with atomic_path(staged, need_bytes=size_bytes) as temporary:
            shutil.copyfile(source, temporary)
    if sha256_file(staged) != digest:
        raise DistilError(
            "changed while it was copied", where=str(source if isinstance(source, Path) else staged)
        )
    return FileRecord(sha256=digest, size_bytes=size_bytes)


def _listed(folder: Path) -> dict[str, str]:
    try:
        files = load_manifest(folder).files
    except (InputError, BadManifest):
        return {}  # no earlier run, or one that can't be trusted to say what is its own
    return {name: record.sha256 for name, record in files.items()}


def _read_journal(path: Path) -> _Journal:
    try:
        value = json.loads(path.read_bytes())
        files, obsolete = dict(value["files"]), dict(value["obsolete"])
        if not all(safe_name(name) for name in (*files, *obsolete)):
            raise ValueError("a name leads out of the folder")
        return _Journal(files=files, obsolete=obsolete, manifest=str(value["manifest"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise _broken(path.parent, "its journal is damaged") from exc


def _broken(folder: Path, what: str) -> DistilError:
    cure = f"remove {JOURNAL_NAME} and {STAGING_NAME} there and run again"
    return DistilError(f"a publication was cut short and {what}", where=str(folder), cure=cure)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some file systems can't
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
