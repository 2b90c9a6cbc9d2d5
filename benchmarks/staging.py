"""Copies of models and feeds at paths of equal length, so that no path can favour a model.

The stack of a process holds its arguments, and their length moves what lies above: that alone has
changed timings by percents (Mytkowicz et al., "Producing wrong data", ASPLOS 2009).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.feeds import Inputs, cell_feeds
from exporters.artifact import open_artifact
from exporters.errors import DistilError
from exporters.values import OnnxArtifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model to time. model: the copy; feed_files: batch -> input -> .npy file."""

    name: str
    artifact: OnnxArtifact
    model: Path
    feed_files: Mapping[int, Mapping[str, str]]


@contextmanager
def staged(
    artifacts: Mapping[str, OnnxArtifact], *, inputs: Inputs, batches: Sequence[int]
) -> Iterator[tuple[Subject, ...]]:
    """Copy every model (with its external data) and write its feeds; all gone at the end."""
    with tempfile.TemporaryDirectory(prefix="distil-bench-") as folder:
        try:
            subjects = tuple(
                _stage(name, artifact, Path(folder) / f"{index:03}", inputs, batches)
                for index, (name, artifact) in enumerate(artifacts.items())
            )
        except OSError as exc:
            cure = "free some space there, or set TMPDIR"
            raise DistilError(f"can't copy the models: {exc}", where=folder, cure=cure) from exc
        yield subjects


def _stage(
    name: str, artifact: OnnxArtifact, folder: Path, inputs: Inputs, batches: Sequence[int]
) -> Subject:
    folder.mkdir()
    model = folder / "model.onnx"
    shutil.copyfile(artifact.path, model)
    for data in _external_files(artifact):
        target = folder / data.relative_to(artifact.path.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data, target)
    feed_files: dict[int, dict[str, str]] = {}
    for batch in batches:
        feeds = cell_feeds(artifact, inputs, batch=batch)
        files = {key: folder / f"feed-{batch}-{i}.npy" for i, key in enumerate(feeds)}
        for key, array in feeds.items():
            np.save(files[key], array, allow_pickle=False)
        feed_files[batch] = {key: str(file) for key, file in files.items()}
    return Subject(name=name, artifact=artifact, model=model, feed_files=feed_files)


def _external_files(artifact: OnnxArtifact) -> set[Path]:
    if artifact.size_bytes == artifact.path.stat().st_size:
        return set()
    import onnx  # slow to import, and most models are one file

    from exporters.contain import external_file, is_external
    from exporters.tensors import stored_tensors

    model = onnx.load(artifact.path, load_external_data=False)
    folder = artifact.path.parent
    return {external_file(held, folder) for held in stored_tensors(model) if is_external(held)}


def open_subjects(subjects: Mapping[str, Path]) -> dict[str, OnnxArtifact]:
    """Check every file before anything is started. Raises RefusedModel."""
    return {name: open_artifact(path) for name, path in subjects.items()}
