"""Digests of what samples hold: the task's fingerprint, and copies between splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from compress.tasks.data import Samples

_CHUNK = 1024  # rows hashed together: a memory-mapped array is never read whole


def content_digests(inputs: NDArray[np.generic]) -> NDArray[np.uint64]:
    """The first 64 bits of a digest of each sample's values. (n, ...) -> (n,)."""
    digests = np.empty(len(inputs), dtype=np.uint64)
    for start in range(0, len(inputs), _CHUNK):
        rows = np.ascontiguousarray(inputs[start : start + _CHUNK])
        for offset, row in enumerate(rows):
            digest = hashlib.blake2b(row.tobytes(), digest_size=8).digest()
            digests[start + offset] = int.from_bytes(digest, "little")
    return digests


def fingerprint(splits: Mapping[str, Samples], *, preprocessing: Mapping[str, object]) -> str:
    """SHA-256 over ids, labels and values of every split, in order, and over preprocessing."""
    total = hashlib.sha256(json.dumps(preprocessing, sort_keys=True).encode())
    for name, samples in splits.items():
        head = [name, len(samples), str(samples.inputs.dtype), samples.inputs.shape]
        total.update(json.dumps(head).encode())
        total.update(samples.ids.astype("<i8").tobytes())
        total.update(samples.labels.astype("<i8").tobytes())
        for start in range(0, len(samples), _CHUNK):
            total.update(np.ascontiguousarray(samples.inputs[start : start + _CHUNK]).tobytes())
    return total.hexdigest()
