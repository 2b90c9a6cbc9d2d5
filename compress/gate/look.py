"""What an ONNX file is made of, read from the file. Loads onnx, so judging never comes here."""

from __future__ import annotations

from pathlib import Path

from compress.values import ModelFacts, TensorFacts
from exporters.atomic import sha256_file

MOST_TENSORS = 200  # the largest; a committed baseline stays small


def look_into(path: Path, subject: str) -> ModelFacts:
    """Facts of one file. Raises InputError and RefusedModel as open_artifact does."""
    from exporters.inspect import inspect_model

    found = inspect_model(path)
    return ModelFacts(
        subject=subject,
        digest=found.digest,
        file_sha256=sha256_file(path),
        size_bytes=found.size_bytes,
        parameters=found.parameters,
        macs=found.macs,
        precision=found.precision,
        operators=dict(found.operators),
        tensors=tuple(
            TensorFacts(name=t.name, shape=t.shape, dtype=t.dtype, size_bytes=t.size_bytes)
            for t in found.largest(MOST_TENSORS)
        ),
    )
