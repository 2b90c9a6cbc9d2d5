"""Copies of models and feeds at paths of equal length, so that no path can favour a model.

The stack of a process holds its arguments, and their length moves what lies above: that alone has
changed timings by percents (Mytkowicz et al., "Producing wrong data", ASPLOS 2009).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.feeds import Inputs, cell_feeds
from benchmarks.sources import Source, TorchSource
from exporters.artifact import open_artifact
from exporters.errors import DistilError


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model to time. model: the copy; feed_files: batch -> input -> .npy file."""

    name: str
    artifact: Source
    model: Path
    feed_files: Mapping[int, Mapping[str, str]]

    @property
    def runner(self) -> str:
        """The word that a worker opens it by."""
        return runner_of(self.artifact)

    def load_request(self, batches: Sequence[int], *, device: str) -> dict[str, Any]:
        """What a worker is asked to load: its feeds, and what to import for them."""
        feeds = {str(batch): dict(self.feed_files[batch]) for batch in batches}
        return {"op": "load", "feeds": feeds, "runner": self.runner, "device": device}

    def open_request(
        self, *, device: str, threads: int, batch: int, cpu_nodes: int = 0
    ) -> dict[str, Any]:
        """What a worker is asked to open and to run once."""
        asked = {"op": "open", "runner": self.runner, "device": device, "threads": threads}
        asked |= {"batch": batch, "cpu_nodes": cpu_nodes}
        if not isinstance(self.artifact, TorchSource):
            return asked | {"path": str(self.model)}
        source = self.artifact
        inputs = [asdict(spec) for spec in source.inputs]
        return asked | {
            "loader": source.loader,
            "arguments": dict(source.arguments),
            "inputs": inputs,
        }


def runner_of(source: Source) -> str:
    """onnxruntime, torch or torch-compiled."""
    if not isinstance(source, TorchSource):
        return "onnxruntime"
    return "torch-compiled" if source.compiled else "torch"


@contextmanager
def staged(
    artifacts: Mapping[str, Source], *, inputs: Inputs, batches: Sequence[int]
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
    name: str, artifact: Source, folder: Path, inputs: Inputs, batches: Sequence[int]
) -> Subject:
    folder.mkdir()
    model = folder / "model.onnx"
    if not isinstance(artifact, TorchSource):  # a torch module is made in the child
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


def _external_files(artifact: Source) -> set[Path]:
    if artifact.size_bytes == artifact.path.stat().st_size:
        return set()
    import onnx  # slow to import, and most models are one file

    from exporters.contain import external_file, is_external
    from exporters.tensors import stored_tensors

    model = onnx.load(artifact.path, load_external_data=False)
    folder = artifact.path.parent
    return {external_file(held, folder) for held in stored_tensors(model) if is_external(held)}


def open_subjects(subjects: Mapping[str, Path | TorchSource]) -> dict[str, Source]:
    """Check every file before anything is started. Raises RefusedModel."""
    return {
        name: source if isinstance(source, TorchSource) else open_artifact(source)
        for name, source in subjects.items()
    }
